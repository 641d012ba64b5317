import CKernels
import SupConTensor
import Testing

@testable import SupConNetwork

/// Compares grouped convolutions with their definition in double precision, on every engine and in
/// bf16.
@Suite struct GroupedConvolutionTests {
    static let cases: [(Engine, ElementType, groups: Int, stride: Int, kernel: Int)] = Engine.tested
        .flatMap { engine in
            (engine == .oneDNN && (try? engine.check(.bf16)) != nil
                ? [ElementType.f32, .bf16] : [.f32]).flatMap { type in
                    [(4, 1, 3), (8, 2, 3), (32, 1, 3), (2, 1, 1)].map {
                        (engine, type, $0.0, $0.1, $0.2)
                    }
                }
        }

    /// Values in memory of an element type, rounded to that type.
    struct Values {
        var memory: AlignedBuffer
        var type: ElementType
        var numbers: [Float]

        init(_ count: Int, _ type: ElementType, _ random: inout Philox) throws {
            numbers = (0..<count).map { _ in random.uniform(-1, 1) }
            memory = try AlignedBuffer(byteCount: count * type.byteCount)
            self.type = type
            if type == .f32 {
                for (i, value) in numbers.enumerated() { memory.floats[i] = value }
            } else {
                sc_f32_to_bf16(numbers, memory.values(of: UInt16.self), Int64(count))
                numbers = read()
            }
        }

        func read() -> [Float] {
            type == .f32
                ? numbers.indices.map { memory.floats[$0] }
                : numbers.indices.map {
                    Float(bitPattern: UInt32(memory.values(of: UInt16.self)[$0]) << 16)
                }
        }
    }

    @Test(arguments: cases.indices) func followsTheDefinition(_ index: Int) throws {
        let (engine, type, groups, stride, kernel) = Self.cases[index]
        let (images, height, width, channels) = (3, 7, 6, 64)
        let shape = ConvolutionShape(
            images: images, height: height, width: width, inputs: channels, outputs: channels,
            kernel: kernel, stride: stride, padding: kernel / 2, groups: groups)
        let convolution = try engine.convolution(
            shape, .training(inputGradient: true), type: type, threads: 2)
        var random = Philox(seed: 5, purpose: .test)
        let (inputCount, outputCount) = (
            images * height * width * channels, images * shape.outHeight * shape.outWidth * channels
        )
        let (x, dy) = (
            try Values(inputCount, type, &random), try Values(outputCount, type, &random)
        )
        let (y, dx) = (
            try Values(outputCount, type, &random), try Values(inputCount, type, &random)
        )
        // The engine rounds the weights as it rounds x: round them before.
        let weights = try Values(shape.weightCount, type, &random).numbers
        #expect(shape.weightCount == channels * channels / groups * kernel * kernel)
        let packed = try AlignedBuffer(byteCount: convolution.packedByteCount)
        let packedForGradient = try AlignedBuffer(byteCount: convolution.packedForGradientByteCount)
        let scratch = try AlignedBuffer(byteCount: convolution.scratchByteCount)
        let dw = try AlignedBuffer(Float.self, count: shape.weightCount)
        EngineTeam.run(images: shape.images, threads: 2) {
            convolution.pack(weights, into: packed.pointer, forGradient: packedForGradient.pointer)
            convolution.forward(
                x: x.memory.pointer, packed: packed.pointer, bias: nil, y: y.memory.pointer,
                scratch: scratch.pointer)
            convolution.weightGradient(
                x: x.memory.pointer, dy: dy.memory.pointer, dw: dw.floats, scratch: scratch.pointer)
            convolution.inputGradient(
                dy: dy.memory.pointer,
                packed: convolution.packedForGradientByteCount > 0
                    ? packedForGradient.pointer : packed.pointer, dx: dx.memory.pointer,
                scratch: scratch.pointer)
        }
        var (expectedY, expectedX) = (
            [Double](repeating: 0, count: outputCount), [Double](repeating: 0, count: inputCount)
        )
        var expectedW = [Double](repeating: 0, count: shape.weightCount)
        let perGroup = channels / groups
        for image in 0..<images {
            for i in 0..<shape.outHeight {
                for j in 0..<shape.outWidth {
                    for o in 0..<channels {
                        let out =
                            ((image * shape.outHeight + i) * shape.outWidth + j) * channels + o
                        for r in 0..<kernel {
                            for s in 0..<kernel {
                                let (row, column) = (
                                    i * stride + r - kernel / 2, j * stride + s - kernel / 2
                                )
                                guard (0..<height).contains(row), (0..<width).contains(column)
                                else { continue }
                                for within in 0..<perGroup {
                                    let at =
                                        ((image * height + row) * width + column) * channels + o
                                        / perGroup * perGroup + within
                                    let weight = ((o * perGroup + within) * kernel + r) * kernel + s
                                    expectedY[out] +=
                                        Double(x.numbers[at]) * Double(weights[weight])
                                    expectedX[at] +=
                                        Double(dy.numbers[out]) * Double(weights[weight])
                                    expectedW[weight] +=
                                        Double(dy.numbers[out]) * Double(x.numbers[at])
                                }
                            }
                        }
                    }
                }
            }
        }
        // bf16 rounds the sums to 8 bits.
        let tolerance = type == .bf16 ? 0.005 : 1e-5
        func expectClose(_ values: [Float], _ expected: [Double], _ what: String) {
            let largest = expected.map(abs).max() ?? 0
            let worst = zip(values, expected).map { abs(Double($0) - $1) }.max() ?? 0
            #expect(
                largest > 1 && worst < tolerance * largest, "\(what): off by \(worst) of \(largest)"
            )
        }
        expectClose(y.read(), expectedY, "y")
        expectClose(dx.read(), expectedX, "dx")
        expectClose((0..<shape.weightCount).map { dw.floats[$0] }, expectedW, "dw")
    }
}
