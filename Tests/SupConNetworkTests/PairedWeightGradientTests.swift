import CKernels
import SupConTensor
import Testing

@testable import SupConNetwork

/// Compares the weight gradient by products of pairs, and in f32, with sums in double precision, on
/// CPUs that have these products.
@Suite(.enabled(if: sc_has_pair_products() != 0)) struct PairedWeightGradientTests {
    private static func shape(
        _ images: Int, _ height: Int, _ width: Int, _ inputs: Int, _ outputs: Int, kernel: Int = 3,
        stride: Int = 1
    ) -> ConvolutionShape {
        ConvolutionShape(
            images: images, height: height, width: width, inputs: inputs, outputs: outputs,
            kernel: kernel, stride: stride, padding: kernel / 2)
    }

    /// The shapes have an image without a partner, blocks of 16, 32 and 64 outputs, taps that never
    /// meet the image, and one group of pairs or several.
    static let shapes = [
        shape(16, 9, 8, 16, 16), shape(5, 6, 7, 32, 16), shape(9, 1, 1, 16, 16),
        shape(7, 2, 1, 16, 48), shape(8, 5, 6, 16, 32), shape(13, 7, 7, 48, 96),
        shape(40, 4, 4, 32, 64), shape(3, 4, 4, 64, 128), shape(1, 5, 3, 16, 64),
        shape(8, 9, 7, 16, 32, stride: 2), shape(3, 8, 8, 32, 16, stride: 2),
        shape(70, 2, 2, 16, 64, stride: 2), shape(9, 1, 2, 32, 32, stride: 2),
        shape(8, 6, 5, 16, 64, kernel: 1), shape(5, 7, 9, 32, 16, kernel: 1, stride: 2),
        shape(11, 8, 8, 64, 32, kernel: 1, stride: 2),
        shape(6, 9, 10, 16, 16, kernel: 7, stride: 2),
        shape(4, 10, 11, 16, 32, kernel: 5, stride: 3), shape(2, 9, 8, 16, 64, stride: 2),
        shape(1, 7, 9, 32, 16, stride: 2), shape(14, 6, 6, 64, 128), shape(10, 28, 28, 16, 16),
    ]
    /// Of these, the batch is divided, by any of the tested numbers of threads.
    static let shapesOfManyImages = [
        shape(9, 16, 16, 32, 64), shape(6, 28, 28, 32, 64, stride: 2),
        shape(21, 8, 8, 32, 128, kernel: 1), shape(70, 9, 8, 16, 16),
        shape(119, 6, 6, 48, 96, stride: 2),
    ]

    @Test(arguments: shapes + shapesOfManyImages, [ElementType.bf16, .f32])
    func agreesWithDirectSums(_ s: ConvolutionShape, _ type: ElementType) throws {
        let (xCount, dyCount) = (
            s.height * s.width * s.inputs, s.outHeight * s.outWidth * s.outputs
        )
        let (x, dy) = (
            try values(s.images, of: xCount, type, seed: 1),
            try values(s.images, of: dyCount, type, seed: 2)
        )
        let expected = sums(s, x.plain, dy.plain)
        // A sum of n random terms below 1 grows to √n, and each step rounds it: in f32 the error
        // of all n is about 3e-8 n at most.
        let tolerance = 1e-7 * Double(s.images * s.outHeight * s.outWidth) + 2e-6
        for threads in 1...3 {
            let gradient = PairedWeightGradient(
                s, type: type, smallest: 2, threads: threads)
            if Self.shapesOfManyImages.contains(s) { #expect(gradient.cut != nil) }
            let scratch = try GuardedBuffer(byteCount: gradient.scratchByteCount)
            scratch.poison()
            var found = [Float](repeating: .nan, count: s.weightCount)
            found.withUnsafeMutableBufferPointer { dw in
                guard let dw = dw.baseAddress else { return }
                gradient.run(
                    x: x.stored.pointer, dy: dy.stored.pointer, dw: dw, scratch: scratch.pointer)
            }
            #expect(scratch.isIntact)
            let worst = zip(found, expected).map { abs(Double($0) - $1) }.reduce(0) {
                $1.isNaN ? .infinity : max($0, $1)
            }
            #expect(worst < tolerance, "\(threads) threads: off by \(worst)")
        }
    }

    @Test func isChosenForWholeBlocksAlone() {
        let good = Self.shape(8, 4, 4, 16, 32)
        func suits(_ shape: ConvolutionShape, threads: Int = 2) -> Bool {
            PairedWeightGradient.suits(shape, .bf16, threads: threads)
        }
        #expect(suits(good) && suits(good, threads: 4))
        #expect(!suits(good, threads: 5))  // four pairs and one tile
        #expect(suits(Self.shape(8, 4, 4, 48, 128), threads: 6))  // six tiles
        #expect(!PairedWeightGradient.suits(good, .f32, threads: 2))
        let strided = Self.shape(8, 4, 4, 16, 64, stride: 2)
        #expect(PairedWeightGradient.suits(strided, .f32, threads: 2))
        #expect(!suits(Self.shape(8, 4, 4, 8, 32)) && !suits(Self.shape(8, 4, 4, 16, 24)))
        #expect(!suits(Self.shape(1, 4, 4, 64, 64)))
        var (grouped, padded) = (good, Self.shape(8, 4, 4, 16, 32, kernel: 1))
        (grouped.groups, padded.padding) = (2, 1)
        #expect(!suits(grouped) && !suits(padded))
    }

    /// Returns images of values from −1 to 1, as stored and what that is. Behind the stored ones
    /// lies an image of NaNs.
    private func values(_ images: Int, of size: Int, _ type: ElementType, seed: UInt64) throws -> (
        stored: AlignedBuffer, plain: [Double]
    ) {
        var random = Philox(seed: seed, purpose: .test)
        let count = images * size
        let drawn = (0..<count).map { _ in random.uniform(-1, 1) }
        let stored = try AlignedBuffer(byteCount: (count + size) * type.byteCount)
        if type == .f32 {
            stored.floats.update(from: drawn, count: count)
            (stored.floats + count).update(repeating: .nan, count: size)
            return (stored, drawn.map { Double($0) })
        }
        let words = stored.values(of: UInt16.self)
        sc_f32_to_bf16(drawn, words, Int64(count))
        for i in 0..<size { words[count + i] = 0xFFFF }
        return (
            stored, (0..<count).map { Double(Float(bitPattern: UInt32(words[$0]) << 16)) }
        )
    }

    private func sums(_ s: ConvolutionShape, _ x: [Double], _ dy: [Double]) -> [Double] {
        var dw = [Double](repeating: 0, count: s.weightCount)
        for n in 0..<s.images {
            for (i, j) in (0..<s.outHeight).flatMap({ i in (0..<s.outWidth).map { (i, $0) } }) {
                let to = ((n * s.outHeight + i) * s.outWidth + j) * s.outputs
                for tap in 0..<(s.kernel * s.kernel) {
                    let row = i * s.stride + tap / s.kernel - s.padding
                    let column = j * s.stride + tap % s.kernel - s.padding
                    guard 0..<s.height ~= row, 0..<s.width ~= column else { continue }
                    let from = ((n * s.height + row) * s.width + column) * s.inputs
                    for o in 0..<s.outputs {
                        for c in 0..<s.inputs {
                            dw[(o * s.inputs + c) * s.kernel * s.kernel + tap] +=
                                x[from + c] * dy[to + o]
                        }
                    }
                }
            }
        }
        return dw
    }
}
