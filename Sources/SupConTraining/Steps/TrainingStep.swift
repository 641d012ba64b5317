import CKernels
import SupConEvaluation
import SupConTensor
import SupConVision

/// The outcome of one step.
struct StepOutcome {
    var loss: Double
    var anchorsWithoutPositive = 0
    /// Rows that the classifier saw, and those among them that it got right.
    var classified = 0
    var correct = 0
}

/// One step of a run: views in, parameters changed. Everything is planned before; a step allocates
/// nothing.
protocol TrainingStep: AnyObject {
    /// Activations, gradients and workspaces, in bytes.
    var memoryByteCount: Int { get }
    var optimizer: any Optimizer { get }
    /// The pass that takes images through the encoder; nil: it runs in evaluation mode.
    var encoderPass: EncoderPass? { get }
    /// The state that a checkpoint keeps beside the parameters' and the optimizer's.
    var state: [StateBuffer] { get }
    /// Rows of the last step's embeddings (length 1), of all ranks, with what makes two of them a
    /// positive pair; nil where there are none.
    var embeddings: Embeddings? { get }
    /// Their variance over that of rows spread evenly over the sphere; 1 where there are none.
    var spread: Double { get }
    /// The loss of guessing.
    var chance: Double { get }

    /// The chunks in which this rank's part of a batch comes from the loader.
    var chunks: Loader.Chunks { get }

    /// The indices of a batch's samples that this rank's part of a step takes, in the order in
    /// which they come from the loader.
    func sources(step: Int) -> [Int]

    /// Prepares the first step, with the parameters that the run begins from; `resumed`: they and
    /// `state` are a checkpoint's.
    func begin(resumed: Bool)

    /// Runs a step on a batch of these samples of the data set. `next` gives the chunks of this
    /// rank's part of it, as many as there are in all passes; `step` is the step's index in the
    /// run, from 0, which names what it draws at random. Errors: the loader's, argument, memory,
    /// io (of the ranks).
    func run(
        step: Int, rate: Double, samples: [Int], next: () throws(SupConError) -> StepBatch
    ) throws(SupConError) -> StepOutcome
}

extension TrainingStep {
    var state: [StateBuffer] { [] }
    var encoderPass: EncoderPass? { nil }
}

/// The embeddings of a step's rows, with what makes two of them a positive pair.
struct Embeddings {
    /// [count, dimension], rows of length 1.
    var rows: UnsafePointer<Float>
    var count: Int
    var dimension: Int
    /// [count]: rows of the same number are positives of each other.
    var groups: UnsafeBufferPointer<Int64>
    /// [count / views, count / views], instead of `groups`: how much of a positive pair two samples
    /// are; rows are those of samples, view after view.
    var mask: UnsafePointer<Float>?
    var views = 1

    /// The variance of the rows over that of rows spread evenly over the sphere. `sum`: a buffer
    /// of [dimension].
    func spread(_ sum: UnsafeMutablePointer<Double>) -> Double {
        sum.update(repeating: 0, count: dimension)
        for row in 0..<count {
            sc_add_scaled_f32_to_f64(rows + row * dimension, 1, sum, Int64(dimension))
        }
        return 1 - sc_dot_f64(sum, sum, Int64(dimension)) / Double(count * count)
    }

    /// The mean squared distance of positives; nil: there are none. Errors: argument, memory.
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

/// Runs `body`, and turns the refusal of features that are not finite into a loss of NaN: in a
/// step they are no wrong argument, but what the network has come to.
func lossOrNaN(_ body: () throws(SupConError) -> StepOutcome) throws(SupConError) -> StepOutcome {
    do throws(SupConError) {
        return try body()
    } catch {
        guard error.kind == .argument else { throw error }
        return StepOutcome(loss: .nan)
    }
}
