import CKernels
import SupConTensor
import Testing

@testable import SupConNetwork

/// Compares convolutions of bytes with integer sums, and tests the kernels around them, and the
/// choice of ranges.
@Suite struct Int8Tests {
    static let canInt8 = (try? Engine.standard.checkInt8()) != nil

    struct Case: CustomTestStringConvertible {
        var shape: ConvolutionShape
        var xIsSigned = false, yIsSigned = false, relu = true
        var residualIsSigned: Bool?
        var testDescription: String {
            """
            \(shape.kernel)×\(shape.kernel)/\(shape.stride) of \(shape.inputs) to \
            \(shape.outputs) on \(shape.height)×\(shape.width)
            """
        }
    }
    static func shape(
        _ height: Int, _ width: Int, _ inputs: Int, _ outputs: Int, _ kernel: Int, _ stride: Int = 1
    ) -> ConvolutionShape {
        ConvolutionShape(
            images: 2, height: height, width: width, inputs: inputs, outputs: outputs,
            kernel: kernel, stride: stride, padding: kernel / 2)
    }
    static let cases = [
        Case(shape: shape(19, 22, 3, 64, 7, 2), xIsSigned: true),
        Case(shape: shape(8, 8, 1, 16, 3), xIsSigned: true), Case(shape: shape(9, 7, 64, 64, 3)),
        Case(shape: shape(9, 7, 64, 32, 3, 2)),
        Case(shape: shape(6, 6, 24, 40, 1), residualIsSigned: false),
        Case(shape: shape(6, 5, 64, 256, 1), residualIsSigned: true),
        Case(shape: shape(7, 7, 64, 128, 1, 2), yIsSigned: true, relu: false),
        Case(shape: shape(5, 5, 4, 4, 3), residualIsSigned: true),
        Case(shape: shape(4, 4, 512, 64, 3), residualIsSigned: false),
    ]

    @Test(.enabled(if: canInt8), arguments: cases) func convolutionIsTheIntegersRounded(
        _ test: Case
    ) throws {
        let shape = test.shape
        var random = Philox(seed: 3, purpose: .test)
        func byte(_ signed: Bool) -> Int { random.index(below: 256) - (signed ? 128 : 0) }
        let x = (0..<(shape.images * shape.height * shape.width * shape.inputs)).map { _ in
            byte(test.xIsSigned)
        }
        let limit = ByteWeights(xIsSigned: test.xIsSigned)
        let (most, spacing) = (Int(limit.largest / limit.spacing), Int(limit.spacing))
        let w = (0..<shape.weightCount).map { _ in
            (random.index(below: 2 * most + 1) - most) * spacing
        }
        let area = shape.outHeight * shape.outWidth
        let before = (0..<(shape.images * area * shape.outputs)).map { _ in
            byte(test.residualIsSigned ?? false)
        }
        // Sums spread over the range of a byte, some beyond it.
        let scales = (0..<shape.outputs).map { _ in
            random.uniform(0.5, 1.5) * 0.02 / Float(shape.weightCount / shape.outputs).squareRoot()
        }
        let bias = (0..<shape.outputs).map { _ in random.uniform(-40, 40) }
        var description = QuantizedConvolution(
            relu: test.relu, xIsSigned: test.xIsSigned, yIsSigned: test.yIsSigned, scales: scales,
            residual: nil)
        description.residual = test.residualIsSigned.map { .init(isSigned: $0, scale: 0.7) }

        let convolution = try Engine.standard.convolution(
            shape, .int8(description), type: .f32, threads: 2)
        let packed = try AlignedBuffer(byteCount: convolution.packedByteCount),
            scratch = try AlignedBuffer(byteCount: convolution.scratchByteCount)
        convolution.pack(w.map(Float.init), into: packed.pointer, forGradient: packed.pointer)
        var prepared = bias
        convolution.prepare(bias: &prepared)
        let input = x.map { UInt8(truncatingIfNeeded: $0) }
        var output = before.map { UInt8(truncatingIfNeeded: $0) }
        convolution.forward(
            x: input, packed: packed.pointer, bias: prepared, y: &output, scratch: scratch.pointer)

        var wrong = 0
        var seen = Set<Int>()
        for image in 0..<shape.images {
            for i in 0..<shape.outHeight {
                for j in 0..<shape.outWidth {
                    for o in 0..<shape.outputs {
                        var sum = 0
                        for r in 0..<shape.kernel {
                            for s in 0..<shape.kernel {
                                let (row, column) = (
                                    i * shape.stride + r - shape.padding,
                                    j * shape.stride + s - shape.padding
                                )
                                guard
                                    (0..<shape.height).contains(row)
                                        && (0..<shape.width).contains(column)
                                else { continue }
                                for c in 0..<shape.inputs {
                                    sum +=
                                        x[
                                            ((image * shape.height + row) * shape.width + column)
                                                * shape.inputs + c]
                                        * w[
                                            ((o * shape.inputs + c) * shape.kernel + r)
                                                * shape.kernel + s]
                                }
                            }
                        }
                        let at =
                            ((image * shape.outHeight + i) * shape.outWidth + j) * shape.outputs + o
                        var value =
                            Double(sum) * Double(scales[o]) + Double(bias[o])
                            + (description.residual.map { Double($0.scale) * Double(before[at]) }
                                ?? 0)
                        if test.relu { value = max(value, 0) }
                        let bounded = min(
                            max(value, test.yIsSigned ? -128 : 0), test.yIsSigned ? 127 : 255)
                        let found =
                            test.yIsSigned ? Int(Int8(bitPattern: output[at])) : Int(output[at])
                        seen.insert(found)
                        // Half-way between two, either is right.
                        if abs(Double(found) - bounded) > 0.501 { wrong += 1 }
                    }
                }
            }
        }
        #expect(wrong == 0)
        #expect(seen.count > 20, "the test's values are not spread over the bytes")
    }

    /// Sums of two products stay exact even where 16 bits would not hold them: all inputs and
    /// weights are as large as they get.
    @Test(.enabled(if: canInt8), arguments: [false, true], [1, 3])
    func theLargestSumsDoNotSaturate(_ xIsSigned: Bool, _ kernel: Int) throws {
        let shape = Self.shape(5, 6, 64, 32, kernel)
        let weight = ByteWeights(xIsSigned: xIsSigned).largest
        for input in xIsSigned ? [-128, 127] : [255] {
            let scale = 100 / (Float(abs(input)) * weight * Float(64 * kernel * kernel))
            let convolution = try Engine.standard.convolution(
                shape,
                .int8(
                    QuantizedConvolution(
                        relu: false, xIsSigned: xIsSigned, yIsSigned: true,
                        scales: [Float](repeating: scale, count: 32), residual: nil)),
                type: .f32, threads: 1)
            let packed = try AlignedBuffer(byteCount: convolution.packedByteCount)
            let scratch = try AlignedBuffer(byteCount: convolution.scratchByteCount)
            // Channels of either sign in turn.
            let perOutput = shape.weightCount / 32
            let w = (0..<shape.weightCount).map { $0 / perOutput % 2 == 0 ? weight : -weight }
            convolution.pack(w, into: packed.pointer, forGradient: packed.pointer)
            var bias = [Float](repeating: 0, count: 32)
            convolution.prepare(bias: &bias)
            let x = [UInt8](repeating: UInt8(truncatingIfNeeded: input), count: 2 * 30 * 64)
            var y = [UInt8](repeating: 0, count: 2 * 30 * 32)
            convolution.forward(
                x: x, packed: packed.pointer, bias: bias, y: &y, scratch: scratch.pointer)
            // In the middle of the image no input is padding.
            let found = (0..<32).map { Int(Int8(bitPattern: y[(2 * 6 + 2) * 32 + $0])) }
            let expected = (0..<32).map { ($0 % 2 == 0) == (input > 0) ? 100 : -100 }
            #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1 }, "\(found)")
        }
    }

    @Test func refusesWhereItCannot() {
        do throws(SupConError) {
            try Engine.openBLAS.checkInt8()
            Issue.record("no error")
        } catch { #expect(error.kind == .unsupported && error.message.contains("oneDNN")) }
    }

    // MARK: kernels

    @Test(arguments: [(1, 1, 1), (2, 3, 5), (7, 8, 64), (12, 11, 70)])
    func maxPoolIsTheLargestOfNine(_ height: Int, _ width: Int, _ channels: Int) {
        var random = Philox(seed: 1, purpose: .test)
        // Whole numbers of a byte, which every type tells.
        let x = (0..<(2 * height * width * channels)).map { _ in random.index(below: 256) }
        let (outHeight, outWidth) = ((height + 1) / 2, (width + 1) / 2)
        var expected: [Int] = []
        for image in 0..<2 {
            for i in 0..<outHeight {
                for j in 0..<outWidth {
                    for c in 0..<channels {
                        var largest = -1
                        for r in max(2 * i - 1, 0)...min(2 * i + 1, height - 1) {
                            for s in max(2 * j - 1, 0)...min(2 * j + 1, width - 1) {
                                largest = max(
                                    largest, x[((image * height + r) * width + s) * channels + c])
                            }
                        }
                        expected.append(largest)
                    }
                }
            }
        }
        func pool<T: BitwiseCopyable>(_ stored: StoredType, _ numbers: [T], zero: T) -> [T] {
            var y = [T](repeating: zero, count: expected.count)
            let input = ComputeGraph.Shape(height: height, width: width, channels: channels),
                output = ComputeGraph.Shape(height: outHeight, width: outWidth, channels: channels)
            MaxPool(images: 2, input: input, output: output, threads: 3).forward(
                x: numbers, y: &y, stored: stored)
            return y
        }
        #expect(pool(.byte, x.map { UInt8($0) }, zero: 0).map { Int($0) } == expected)
        // Negative ones too.
        #expect(pool(.f32, x.map { Float($0) - 128 }, zero: 0).map { Int($0) + 128 } == expected)
        #expect(
            pool(.bf16, x.map { UInt16((Float($0) - 128).bitPattern >> 16) }, zero: 0).map {
                Int(Float(bitPattern: UInt32($0) << 16)) + 128
            } == expected)
    }

    @Test func averagesBytes() {
        let x = (0..<(2 * 49 * 70)).map { UInt8(truncatingIfNeeded: $0 * 37 % 251) }
        var y = [Float](repeating: 0, count: 140)
        AveragePool(images: 2, area: 49, channels: 70, threads: 2).forward(
            x: x, y: &y, stored: .byte, step: 0.5)
        for image in 0..<2 {
            for c in 0..<70 {
                let mean =
                    (0..<49).reduce(0.0) { $0 + Double(x[(image * 49 + $1) * 70 + c]) } / 49 * 0.5
                #expect(abs(Double(y[image * 70 + c]) - mean) < 1e-4)
            }
        }
    }

    @Test func roundsToBytesAndSaturates() {
        let numbers: [Float] = [
            0, 0.25, 0.24, 0.75, -0.25, -0.26, 63.4, 63.6, 1e9, -63.5, -64, -1e9, .nan, .infinity,
            -.infinity, 1, 3,
        ]
        var bytes = [Int8](repeating: 99, count: numbers.count)
        sc_f32_to_s8(numbers, 2, &bytes, Int64(numbers.count))
        #expect(
            bytes == [0, 0, 0, 2, 0, -1, 127, 127, 127, -127, -127, -127, -127, 127, -127, 2, 6])
    }

    // MARK: ranges

    private static func range(_ numbers: [Float], levels: Float) -> Float {
        var counts = [Int64](repeating: 0, count: Int(SC_MAGNITUDES))
        sc_count_magnitudes(numbers, Int64(numbers.count), &counts)
        return MagnitudeCounts(counts).bestRange(levels: levels)
    }
    /// Returns the mean squared error of rounding `numbers` to steps of range / levels.
    private static func loss(_ numbers: [Float], _ range: Float, levels: Float) -> Double {
        let step = Double(range / levels)
        return numbers.reduce(0) {
            let told = step * min((abs(Double($1)) / step).rounded(), Double(levels))
            return $0 + (abs(Double($1)) - told) * (abs(Double($1)) - told)
        } / Double(numbers.count)
    }

    @Test(arguments: [Float(127), 255]) func rangeLosesLeast(_ levels: Float) {
        var random = Philox(seed: 5, purpose: .test)
        let normal = (0..<20_000).map { _ in 3 * random.normal() }
        for numbers in [
            normal, normal.map { max($0, 0) }, normal + [200], normal.map { $0 * $0 * $0 },
        ] {
            let found = Self.loss(numbers, Self.range(numbers, levels: levels), levels: levels)
            let largest = numbers.reduce(0) { max($0, abs($1)) }
            let best =
                (1...400).map { Self.loss(numbers, largest * Float($0) / 400, levels: levels) }
                .min() ?? 0
            #expect(found < 1.1 * best)
        }
        #expect(Self.range([], levels: levels) == 1 && Self.range([0, 0], levels: levels) == 1)
        #expect(Self.range([.nan, .infinity, 2, -2], levels: levels) < 2.1)
    }

    @Test func rangesAreChecked() throws {
        let configuration = NetworkConfiguration()
        let count = ComputeGraph(configuration, height: 32, width: 32).values.count
        #expect(throws: Never.self) {
            try Quantization(ranges: Array(repeating: 1, count: count), for: configuration)
        }
        for ranges in [
            Array(repeating: Float(1), count: count - 1), Array(repeating: 0, count: count),
            Array(repeating: .nan, count: count), Array(repeating: -1, count: count),
        ] {
            do throws(SupConError) {
                _ = try Quantization(ranges: ranges, for: configuration)
                Issue.record("no error")
            } catch { #expect(error.kind == .argument) }
        }
    }
}
