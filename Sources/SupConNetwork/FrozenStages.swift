import CKernels
import SupConTensor

/// A frozen layout plans the first stages of an encoder, whose parameters are not trained, for
/// inference: batch norms are folded into the convolutions, and nothing is kept for a backward
/// pass.
struct FrozenLayout {
    let encoder: EncoderLayout
    /// The number of images that a worker processes at a time.
    let images: Int
    /// Whether the stages are the whole encoder, whose output is pooled to r.
    let isPooled: Bool

    /// The largest number of images of a piece. It is enough for the late stages, whose weights are
    /// large and whose images are small.
    private static let mostImages = 4

    /// Plans the first `stages` stages, 1 to 4, for steps of `images` images. Errors: unsupported,
    /// memory.
    init(
        _ network: Network, _ graph: ComputeGraph, stages: Int, images: Int,
        type: ElementType, quantization: Quantization?, threads: Int, engine: Engine
    ) throws(SupConError) {
        // Pieces of one size, so that an image's output does not depend on the batch it is in.
        let most = max(1, min(Self.mostImages, images / threads))
        let piece = (1...most).last { images % $0 == 0 } ?? 1
        let workers = min(threads, images / piece)
        isPooled = graph.borders[stages] == graph.output
        encoder = try EncoderLayout(
            network, graph.upTo(graph.borders[stages]), images: piece,
            stored: quantization != nil ? .byte : type == .f32 ? .f32 : .bf16,
            quantization: quantization, threads: max(1, threads / workers), engine: engine)
        self.images = piece
        self.workers = workers
    }

    let workers: Int

    private var imageElements: Int { encoder.graph.values[0].elements }

    /// The elements of the output of one image.
    var outputElements: Int {
        let last = encoder.graph.values[encoder.graph.output]
        return isPooled ? last.channels : last.elements
    }

    /// The bytes of the stored output of one image: f32 if pooled, otherwise the last value in the
    /// type that the stages compute in.
    var outputByteCount: Int { outputElements * (isPooled ? 4 : encoder.stored.byteCount) }

    /// The bytes of all memory that `FrozenStages` takes.
    var byteCount: Int {
        encoder.weightArena.byteCount
            + workers
            * (encoder.activationArena.byteCount + images * (imageElements + outputElements) * 4)
    }
}

/// The frozen stages of an encoder own their memory, and compute the output of the last of them
/// from images.
///
/// A batch is cut into pieces, which the threads process one after another, so that a piece's
/// values stay in the caches and memory does not grow with the batch.
final class FrozenStages {
    let layout: FrozenLayout
    private let workers: [Worker]
    private let network: Network

    private struct Worker {
        var encoder: EncoderWorker
        var input: AlignedBuffer
        var features: AlignedBuffer?
    }

    /// Allocates the memory of a layout, and makes the workers. Errors: memory, unsupported.
    init(_ layout: FrozenLayout, _ network: Network) throws(SupConError) {
        (self.layout, self.network) = (layout, network)
        let encoder = layout.encoder
        let weights = try AlignedBuffer(byteCount: encoder.weightArena.byteCount)
        var workers: [Worker] = []
        for index in 0..<layout.workers {
            let input = try AlignedBuffer(Float.self, count: encoder.count(0))
            let features =
                layout.isPooled
                ? try AlignedBuffer(Float.self, count: layout.images * layout.outputElements) : nil
            workers.append(
                Worker(
                    encoder: try EncoderWorker(
                        encoder, isFirst: index == 0, weights: weights, input: input.floats,
                        features: features?.floats),
                    input: input, features: features))
        }
        self.workers = workers
        reloadWeights()
    }

    /// Folds and packs the parameters again after they have changed.
    func reloadWeights() { workers[0].encoder.reloadWeights(network.parameters) }

    /// Computes the output of images [count, height, width, channels] in stored form. `body` is
    /// called piece by piece, on several threads, with the index of the first image, the number of
    /// images, and their output.
    func run(
        _ pixels: UnsafePointer<Float>, count: Int,
        _ body: (_ first: Int, _ images: Int, _ output: UnsafeRawPointer) -> Void
    ) {
        let (most, elements) = (layout.images, layout.encoder.graph.values[0].elements)
        Parallel.pieces((count + most - 1) / most, threads: workers.count) { index, piece in
            let (worker, first) = (workers[index], piece * most)
            // The memory after the last image holds old values, whose results are not used.
            let images = min(most, count - first)
            worker.input.floats.update(from: pixels + first * elements, count: images * elements)
            worker.encoder.run()
            body(
                first, images,
                UnsafeRawPointer(worker.features?.pointer ?? worker.encoder.output))
        }
    }

    /// Converts the stored output of `images` images to `type`, the type of training; pooled output
    /// stays f32.
    func convert(
        _ output: UnsafeRawPointer, images: Int, to: UnsafeMutableRawPointer, type: ElementType
    ) {
        let (count, encoder) = (images * layout.outputElements, layout.encoder)
        switch (layout.isPooled ? .f32 : encoder.stored, layout.isPooled ? .f32 : type) {
        case (.byte, .f32): sc_u8_to_f32(u8(output), step, f32(to), Int64(count))
        case (.byte, .bf16): sc_u8_to_bf16(u8(output), step, bf16(to), Int64(count))
        case (.bf16, .f32): sc_bf16_to_f32(bf16(output), f32(to), Int64(count))
        // Both types are equal.
        default: to.copyMemory(from: output, byteCount: images * layout.outputByteCount)
        }
    }

    private var step: Float {
        layout.encoder.quantization?.step(layout.encoder.graph.output, in: layout.encoder.graph)
            ?? 1
    }
}
