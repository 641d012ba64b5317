import CKernels
import SupConEvaluation
import SupConTensor
import SupConVision

/// The outcome of one step.
struct StepOutcome {
    var loss: Double
    var anchorsWithoutPositive = 0
    /// The number of rows that the classifier saw, and the number that it classified correctly.
    var classified = 0
    var correct = 0
}

/// A training step turns a batch of views into one update of the parameters. All memory is planned
/// in advance; a step allocates nothing.
protocol TrainingStep: AnyObject {
    /// The memory of activations, gradients and workspaces, in bytes.
    var memoryByteCount: Int { get }
    var optimizer: any Optimizer { get }
    /// The pass that takes images through the encoder; nil if the encoder runs in evaluation mode.
    var encoderPass: EncoderPass? { get }
    /// The state that a checkpoint keeps beside those of the parameters and the optimizer.
    var state: [StateBuffer] { get }
    /// The embeddings of the last step's rows on all ranks, at length 1, with the pairs that are
    /// positives; nil if there are none.
    var embeddings: Embeddings? { get }
    /// The variance of these embeddings divided by that of rows spread evenly over the sphere; 1 if
    /// there are none.
    var spread: Double { get }
    /// The loss of random guessing.
    var chance: Double { get }

    /// The chunks in which this rank's part of a batch comes from the loader.
    var chunks: Loader.Chunks { get }

    /// Returns the indices, within the batch, of the samples that this rank needs for a step, in
    /// the order in which the loader delivers them.
    func sources(step: Int) -> [Int]

    /// Prepares the first step, with the parameters that the run begins from. `resumed` tells that
    /// they and `state` come from a checkpoint.
    func begin(resumed: Bool)

    /// Runs a step on a batch of the samples `samples` of the data set. `next` returns the chunks
    /// of this rank's part, once for each pass; `step` is the step's index in the run, from 0,
    /// which seeds its random draws. Errors: those of the loader, argument, memory, io (of the
    /// ranks).
    func run(
        step: Int, rate: Double, samples: [Int], next: () throws(SupConError) -> StepBatch
    ) throws(SupConError) -> StepOutcome
}

extension TrainingStep {
    var state: [StateBuffer] { [] }
    var encoderPass: EncoderPass? { nil }
}

/// The embeddings of a step's rows, with the pairs that are positives.
struct Embeddings {
    /// The rows [count, dimension], each of length 1.
    var rows: UnsafePointer<Float>
    var count: Int
    var dimension: Int
    /// The group of each row, [count]; rows of one group are positives of each other.
    var groups: UnsafeBufferPointer<Int64>
    /// The weight of each pair of samples as positives, [count / views, count / views], which
    /// replaces `groups`. The rows are those of samples, view after view.
    var mask: UnsafePointer<Float>?
    var views = 1

    /// Returns the variance of the rows divided by that of rows spread evenly over the sphere.
    /// `sum` is a buffer of [dimension].
    func spread(_ sum: UnsafeMutablePointer<Double>) -> Double {
        sum.update(repeating: 0, count: dimension)
        for row in 0..<count {
            sc_add_scaled_f32_to_f64(rows + row * dimension, 1, sum, Int64(dimension))
        }
        return 1 - sc_dot_f64(sum, sum, Int64(dimension)) / Double(count * count)
    }

    /// Returns the mean squared distance of positives; nil: there are none. Errors: argument,
    /// memory.
    func alignment(context: ExecutionContext) throws(SupConError) -> Double? {
        guard let mask else {
            return try SupConEvaluation.alignment(
                rows, labels: groups, dimension: dimension, context: context)
        }
        return try SupConEvaluation.alignment(
            rows, mask: mask, samples: count / views, views: views, dimension: dimension,
            context: context)
    }
}

/// Runs `body`, and turns an error about features that are not finite into a loss of NaN: in a step
/// they are not a wrong argument but a sign of divergence.
func lossOrNaN(_ body: () throws(SupConError) -> StepOutcome) throws(SupConError) -> StepOutcome {
    do throws(SupConError) {
        return try body()
    } catch {
        guard error.kind == .argument else { throw error }
        return StepOutcome(loss: .nan)
    }
}
