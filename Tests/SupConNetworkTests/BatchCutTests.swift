import SupConTensor
import Testing

@testable import SupConNetwork

/// Tests convolutions in pieces of the batch, or of the output channels.
@Suite struct BatchCutTests {
    @Test(arguments: [1, 2, 3, 7, 10, 16, 127, 128, 1001], [1, 2, 3, 8, 64])
    func coversTheBatchAndKeepsAllThreadsBusy(_ images: Int, _ threads: Int) {
        let cut = BatchCut(images: images, threads: threads, perThread: 4)
        #expect((cut.count - 1) * cut.size + cut.lastSize == images)
        #expect((1...cut.size).contains(cut.lastSize))
        guard threads > 1, images >= threads else {
            #expect(cut.count == 1)
            return
        }
        #expect(cut.count <= 4 * threads)
        let most = (cut.count + threads - 1) / threads * cut.size
        let even = (images + threads - 1) / threads
        #expect(most * 100 <= even * 103)
    }

    @Test func smallPiecesAreNotMade() {
        #expect(BatchCut(images: 64, threads: 2, perThread: 4, smallest: 20).count == 2)
        #expect(BatchCut(images: 64, threads: 2, perThread: 4, smallest: 16).count == 4)
        #expect(BatchCut(images: 64, threads: 2, perThread: 4).count == 8)
    }

    #if OneDNN
    /// The shapes include uneven batches, fewer images than threads, and (the last two, of many
    /// weights and few pixels) a weight gradient in pieces of the channels.
    static let shapes = [
        ConvolutionShape(
            images: 7, height: 9, width: 8, inputs: 16, outputs: 32, kernel: 3, stride: 2,
            padding: 1),
        ConvolutionShape(
            images: 11, height: 6, width: 6, inputs: 32, outputs: 16, kernel: 1, stride: 1,
            padding: 0),
        ConvolutionShape(
            images: 2, height: 12, width: 12, inputs: 16, outputs: 16, kernel: 3, stride: 2,
            padding: 1),
        ConvolutionShape(
            images: 5, height: 4, width: 4, inputs: 64, outputs: 192, kernel: 3, stride: 2,
            padding: 1),
        ConvolutionShape(
            images: 8, height: 3, width: 3, inputs: 128, outputs: 384, kernel: 1, stride: 1,
            padding: 0),
    ]

    /// Returns y, dx and dw of an engine.
    private func operations(
        _ convolution: any Convolution, _ s: ConvolutionShape, _ x: [Float], _ dy: [Float],
        _ w: [Float]
    ) throws -> [[Float]] {
        let scratch = try AlignedBuffer(byteCount: convolution.scratchByteCount)
        let packed = try AlignedBuffer(byteCount: convolution.packedByteCount)
        let forGradient = try AlignedBuffer(byteCount: convolution.packedForGradientByteCount)
        var (y, dx, dw) = (
            [Float](repeating: 7, count: dy.count), [Float](repeating: 7, count: x.count),
            [Float](repeating: 7, count: w.count)
        )
        let gradientWeights = convolution.packedForGradientByteCount > 0 ? forGradient : packed
        w.withUnsafeBufferPointer { w in
            guard let w = w.baseAddress else { return }
            convolution.pack(w, into: packed.pointer, forGradient: forGradient.pointer)
            convolution.forward(
                x: x, packed: packed.pointer, bias: nil, y: &y, scratch: scratch.pointer)
            convolution.inputGradient(
                dy: dy, packed: gradientWeights.pointer, dx: &dx, scratch: scratch.pointer)
            convolution.weightGradient(x: x, dy: dy, dw: &dw, scratch: scratch.pointer)
        }
        return [y, dx, dw]
    }

    @Test(arguments: shapes, [1, 2, 3])
    func agreesWithTheOtherEngineAndWithItself(_ s: ConvolutionShape, _ threads: Int) throws {
        var stream = Philox(seed: 3, purpose: .test)
        func random(_ count: Int) -> [Float] { (0..<count).map { _ in stream.normal() } }
        let x = random(s.images * s.height * s.width * s.inputs)
        let dy = random(s.images * s.outHeight * s.outWidth * s.outputs)
        let w = random(s.weightCount)
        let convolution = try OneDNNConvolution(
            s, .training(inputGradient: true), type: .f32, threads: threads)
        let found = try operations(convolution, s, x, dy, w)
        let expected = try operations(
            MatrixConvolution(s, .training(inputGradient: true), threads: 1), s, x, dy, w)
        for (name, (found, expected)) in zip(["y", "dx", "dw"], zip(found, expected)) {
            let scale =
                (expected.reduce(0) { $0 + Double($1) * Double($1) } / Double(expected.count))
                .squareRoot()
            let worst = zip(found, expected).map { abs(Double($0) - Double($1)) }.max() ?? 0
            #expect(worst < 1e-4 * scale, "\(name): off by \(worst) of \(scale)")
        }
        for _ in 0..<5 {
            #expect(
                try operations(convolution, s, x, dy, w) == found,
                "who runs first shows in the result")
        }
    }
    #endif
}
