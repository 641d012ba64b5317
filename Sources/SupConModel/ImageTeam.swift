import SupConTensor
import SupConVision
import Synchronization

/// An image team divides images among threads and writes them in the form that the model takes; it
/// keeps its scratch memory from pass to pass.
struct ImageTeam: @unchecked Sendable {
    /// A member holds the resources of one chunk of work.
    private struct Member {
        var reader: ImageReader?
        var workspace: AugmentationWorkspace
    }
    private let members: [Member]
    private let pixels: ModelInput
    private let threads: Int
    private let watch: CancelWatch

    /// Makes a team for `count` images of `dataset`, or of batches. Errors: argument, shape.
    init(_ model: Model, _ dataset: Dataset? = nil, count: Int) throws(SupConError) {
        (threads, watch) = (model.context.threads, model.context.watch())
        let gate = DecodeGate(model.context)
        // There are a few members per thread, as images differ in cost.
        members = (0..<(threads <= 1 ? 1 : max(min(threads * 2, count), 0))).map { _ in
            Member(
                reader: dataset.map { ImageReader($0, gate) },
                workspace: AugmentationWorkspace(model.context))
        }
        pixels = try ModelInput(model)
    }

    /// Reads images of the data set. Errors: those of the first image, in the data set's order,
    /// that cannot be read.
    func read(_ range: Range<Int>, to input: UnsafeMutablePointer<Float>) throws(SupConError) {
        try divide(range, input) { (index, member, floats) throws(SupConError) in
            guard let reader = member.reader else { return }
            defer { reader.close() }
            let (height, width) = try reader.open(index)
            // A large photograph is decoded at little more than the model's size.
            let fraction = max(
                Double(pixels.height) / Double(height), Double(pixels.width) / Double(width))
            let image = try reader.pixels(atLeast: min(fraction, 1))
            try pixels.write(
                image, size: (height, width), frame: reader.frame, to: floats, member.workspace)
        }
    }

    /// Reads images of `batch`. Errors: memory.
    func read(_ range: Range<Int>, of batch: ImageBatch, to input: UnsafeMutablePointer<Float>)
        throws(SupConError)
    {
        try divide(range, input) { (index, member, floats) throws(SupConError) in
            try pixels.write(batch[index], to: floats, member.workspace)
        }
    }

    private func divide(
        _ range: Range<Int>, _ input: UnsafeMutablePointer<Float>,
        _ body: (Int, Member, UnsafeMutablePointer<Float>) throws(SupConError) -> Void
    ) throws(SupConError) {
        let failure = Mutex<(index: Int, error: SupConError)?>(nil)
        let pieces = min(members.count, range.count)
        Parallel.chunks(pieces, threads: threads) { chunk in
            for i in Parallel.range(chunk, of: pieces, count: range.count) {
                if watch.isCanceled { return }
                let index = range.lowerBound + i
                do throws(SupConError) {
                    try body(index, members[chunk], input + i * pixels.imageCount)
                } catch {
                    failure.withLock { if index < $0?.index ?? Int.max { $0 = (index, error) } }
                    return
                }
            }
        }
        try watch.check()
        if let (_, error) = failure.withLock({ $0 }) { throw error }
    }
}
