import SupConTensor
import Testing

@testable import SupConNetwork

/// Compares Winograd's convolution with sums in double precision.
@Suite struct WinogradTests {
    /// The shapes include sides that are multiples of 4 and not, one tile and several, and blocks
    /// that are not full.
    static let shapes = [
        ConvolutionShape(
            images: 3, height: 8, width: 8, inputs: 32, outputs: 48, kernel: 3, stride: 1,
            padding: 1),
        ConvolutionShape(
            images: 2, height: 7, width: 5, inputs: 48, outputs: 32, kernel: 3, stride: 1,
            padding: 1),
        ConvolutionShape(
            images: 1, height: 1, width: 2, inputs: 32, outputs: 32, kernel: 3, stride: 1,
            padding: 1),
        ConvolutionShape(
            images: 5, height: 14, width: 13, inputs: 64, outputs: 64, kernel: 3, stride: 1,
            padding: 1),
    ]

    func random(_ count: Int, _ seed: UInt64) -> [Float] {
        var stream = Philox(seed: seed, purpose: .test)
        return (0..<count).map { _ in stream.normal() }
    }

    /// Calls `body` for every pair of pixels that a tap connects: (input pixel, output pixel, tap).
    func eachPair(_ s: ConvolutionShape, _ body: (Int, Int, Int) -> Void) {
        for n in 0..<s.images {
            for i in 0..<s.height {
                for j in 0..<s.width {
                    for t in 0..<9 {
                        let (r, c) = (i + t / 3 - 1, j + t % 3 - 1)
                        if r >= 0 && r < s.height && c >= 0 && c < s.width {
                            body(
                                (n * s.height + r) * s.width + c, (n * s.height + i) * s.width + j,
                                t)
                        }
                    }
                }
            }
        }
    }

    func expectClose(_ found: [Float], _ expected: [Double], _ what: String) {
        let scale = (expected.reduce(0) { $0 + $1 * $1 } / Double(expected.count)).squareRoot()
        let worst = zip(found, expected).map { abs(Double($0) - $1) }.max() ?? 0
        #expect(worst < 5e-5 * scale, "\(what): off by \(worst) of \(scale)")
    }

    @Test(arguments: shapes, [1, 2])
    func agreesWithDirectSums(_ s: ConvolutionShape, _ threads: Int) throws {
        let pixels = s.images * s.height * s.width
        let (x, dy, w) = (
            random(pixels * s.inputs, 1), random(pixels * s.outputs, 2), random(s.weightCount, 3)
        )
        func weight(_ o: Int, _ i: Int, _ t: Int) -> Double {
            Double(w[(o * s.inputs + i) * 9 + t])
        }
        var (y, dx, dw) = (
            [Double](repeating: 0, count: dy.count), [Double](repeating: 0, count: x.count),
            [Double](repeating: 0, count: w.count)
        )
        eachPair(s) { from, to, t in
            for o in 0..<s.outputs {
                for i in 0..<s.inputs {
                    y[to * s.outputs + o] += Double(x[from * s.inputs + i]) * weight(o, i, t)
                    dx[from * s.inputs + i] += Double(dy[to * s.outputs + o]) * weight(o, i, t)
                    dw[(o * s.inputs + i) * 9 + t] +=
                        Double(x[from * s.inputs + i]) * Double(dy[to * s.outputs + o])
                }
            }
        }
        let convolution = WinogradConvolution(s, .training(inputGradient: true), threads: threads)
        let scratch = try AlignedBuffer(byteCount: convolution.scratchByteCount)
        var (foundY, foundDx, foundDw) = (
            [Float](repeating: 7, count: dy.count), [Float](repeating: 7, count: x.count),
            [Float](repeating: 7, count: w.count)
        )
        w.withUnsafeBufferPointer { w in
            convolution.pack(w.baseAddress!, into: scratch.pointer, forGradient: scratch.pointer)
            convolution.forward(
                x: x, packed: scratch.pointer, bias: nil, y: &foundY, scratch: scratch.pointer)
            convolution.inputGradient(
                dy: dy, packed: scratch.pointer, dx: &foundDx, scratch: scratch.pointer)
            convolution.weightGradient(x: x, dy: dy, dw: &foundDw, scratch: scratch.pointer)
        }
        expectClose(foundY, y, "y")
        expectClose(foundDx, dx, "dx")
        expectClose(foundDw, dw, "dw")
    }

    @Test(arguments: [(false, false), (true, false), (false, true), (true, true)])
    func fusesWhatFollowsInInference(_ relu: Bool, _ adds: Bool) throws {
        let s = Self.shapes[1]
        let (x, w, bias) = (
            random(s.images * s.height * s.width * s.inputs, 1), random(s.weightCount, 3),
            random(s.outputs, 4)
        )
        let before = random(s.images * s.height * s.width * s.outputs, 5)
        var expected = (0..<before.count).map {
            Double(bias[$0 % s.outputs]) + (adds ? Double(before[$0]) : 0)
        }
        eachPair(s) { from, to, t in
            for o in 0..<s.outputs {
                for i in 0..<s.inputs {
                    expected[to * s.outputs + o] +=
                        Double(x[from * s.inputs + i]) * Double(w[(o * s.inputs + i) * 9 + t])
                }
            }
        }
        if relu { expected = expected.map { max($0, 0) } }
        let convolution = WinogradConvolution(
            s, .inference(relu: relu, addsToOutput: adds), threads: 2)
        let packed = try AlignedBuffer(byteCount: convolution.packedByteCount)
        let scratch = try AlignedBuffer(byteCount: convolution.scratchByteCount)
        var y = before
        convolution.pack(w, into: packed.pointer, forGradient: packed.pointer)
        convolution.forward(
            x: x, packed: packed.pointer, bias: bias, y: &y, scratch: scratch.pointer)
        expectClose(y, expected, "y")
    }
}
