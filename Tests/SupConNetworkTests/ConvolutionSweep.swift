import CKernels
import Glibc
import SupConTensor

@testable import SupConNetwork

/// A guarded buffer lies between two guards, which reveal writes before or after it.
final class GuardedBuffer {
    private static let guardByteCount = 4096
    private static let pattern: UInt8 = 0xA7
    private let memory: AlignedBuffer
    private let front: Int
    let byteCount: Int
    var pointer: UnsafeMutableRawPointer { memory.pointer + front }

    /// Makes a buffer that begins at an odd (`odd`) or even multiple of 64 bytes: an engine that
    /// aligns its workspace further has more slack at one than at the other.
    init(byteCount: Int, odd: Bool = false) throws(SupConError) {
        self.byteCount = byteCount
        memory = try AlignedBuffer(byteCount: byteCount + 2 * Self.guardByteCount + 64)
        memset(memory.pointer, Int32(Self.pattern), memory.byteCount)
        let isOdd = UInt(bitPattern: memory.pointer) / 64 % 2 == 1
        front = Self.guardByteCount + (isOdd == odd ? 0 : 64)
    }

    /// Fills the buffer with bytes that are NaN as f32 and as bf16.
    func poison() { memset(pointer, 0xFF, byteCount) }

    var isIntact: Bool {
        let bytes = memory.pointer.assumingMemoryBound(to: UInt8.self)
        let expected = [UInt8](repeating: Self.pattern, count: Self.guardByteCount)
        return memcmp(bytes, expected, Self.guardByteCount) == 0
            && memcmp(bytes + front + byteCount, expected, Self.guardByteCount) == 0
    }
}

/// The convolution sweep lists every convolution that a network of this library can need, in a
/// fixed order.
enum ConvolutionSweep {
    static let channels = Array(1...40) + [64, 96]
    static let sizes = [(1, 1), (2, 3), (5, 4), (8, 8), (13, 7)]
    static let batches = [1, 3]

    /// Returns the shapes of a kernel and stride: the stems' 7×7 and 3×3 convolutions take 1 to 4
    /// channels; all others take a stage's channels.
    static func shapes(kernel: Int, stride: Int) -> [ConvolutionShape] {
        var shapes: [ConvolutionShape] = []
        for inputs in kernel == 7 ? Array(1...4) : channels {
            for outputs in channels {
                for (index, size) in sizes.enumerated() {
                    shapes.append(
                        ConvolutionShape(
                            images: batches[(index + inputs + outputs) % batches.count],
                            height: size.0, width: size.1, inputs: inputs, outputs: outputs,
                            kernel: kernel, stride: stride, padding: kernel / 2))
                }
            }
        }
        guard kernel == 3 else { return shapes }
        for groups in [2, 3, 8, 32] {
            for perGroup in 1...8 {
                for size in sizes {
                    shapes.append(
                        ConvolutionShape(
                            images: 2, height: size.0, width: size.1, inputs: groups * perGroup,
                            outputs: groups * perGroup, kernel: kernel, stride: stride, padding: 1,
                            groups: groups))
                }
            }
        }
        return shapes
    }
}

/// A convolution check runs one shape on an engine and on the plain one (im2col and matrix
/// products), and describes their differences.
struct ConvolutionCheck {
    let shape: ConvolutionShape
    let engine: Engine
    let threads: Int
    private(set) var faults: [String] = []

    private let inputCount: Int
    private let outputCount: Int

    init(_ shape: ConvolutionShape, _ engine: Engine, threads: Int) {
        (self.shape, self.engine, self.threads) = (shape, engine, threads)
        inputCount = shape.images * shape.height * shape.width * shape.inputs
        outputCount = shape.images * shape.outHeight * shape.outWidth * shape.outputs
    }

    /// The number of terms in a sum of each operation.
    private var patch: Int { shape.kernel * shape.kernel * shape.inputs / shape.groups }

    /// A pool of numbers uniform in −1…1: drawing them for each shape would take longer than the
    /// convolutions.
    private static let pool: [Float] = {
        var random = Philox(seed: 11, purpose: .test)
        return (0..<1 << 17).map { _ in random.uniform(-1, 1) }
    }()

    /// Returns `count` values representable in a type, as f32 and as stored.
    private func values(_ count: Int, _ type: ElementType, _ offset: Int) throws(SupConError)
        -> (plain: AlignedBuffer, stored: GuardedBuffer)
    {
        let plain = try AlignedBuffer(Float.self, count: count)
        let stored = try GuardedBuffer(byteCount: count * type.byteCount)
        for i in 0..<count { plain.floats[i] = Self.pool[(i + offset) & (1 << 17 - 1)] }
        if type == .f32 {
            memcpy(stored.pointer, plain.pointer, count * 4)
        } else {
            let words = stored.pointer.assumingMemoryBound(to: UInt16.self)
            sc_f32_to_bf16(plain.floats, words, Int64(count))
            sc_bf16_to_f32(words, plain.floats, Int64(count))
        }
        return (plain, stored)
    }

    private mutating func compare(
        _ what: String, _ found: UnsafeRawPointer, _ type: ElementType,
        _ expected: UnsafePointer<Float>, count: Int, terms: Int
    ) {
        let plain = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            guard let base = buffer.baseAddress else { return }
            if type == .f32 {
                memcpy(base, found, count * 4)
            } else {
                sc_bf16_to_f32(found.assumingMemoryBound(to: UInt16.self), base, Int64(count))
            }
            initialized = count
        }
        // Winograd's error is some ten times that of direct summation; bf16 rounds what is stored.
        let absolute = 2e-5 * Float(terms).squareRoot()
        let relative: Float = type == .f32 ? 0 : 1.01 / 128
        for i in 0..<count {
            let difference = abs(plain[i] - expected[i])
            if !(difference <= absolute + relative * abs(expected[i])) {
                faults.append("\(what)[\(i)] is \(plain[i]); expected \(expected[i])")
                return
            }
        }
    }

    private mutating func expectIntact(_ buffers: KeyValuePairs<String, GuardedBuffer>) {
        for (name, buffer) in buffers where !buffer.isIntact {
            faults.append("something was written outside \(name)")
        }
    }

    /// Checks forward, the input gradient, and the weight gradient.
    mutating func training(_ type: ElementType) throws(SupConError) {
        let tested = try engine.convolution(
            shape, .training(inputGradient: true), type: type, threads: threads)
        let plain = MatrixConvolution(shape, .training(inputGradient: true), threads: 1)
        let x = try values(inputCount, type, 0)
        let dy = try values(outputCount, type, 7919)
        let w = try values(shape.weightCount, type, 31)
        let packed = try GuardedBuffer(byteCount: tested.packedByteCount)
        let packedForGradient = try GuardedBuffer(byteCount: tested.packedForGradientByteCount)
        let workspaces = [
            try GuardedBuffer(byteCount: tested.scratchByteCount),
            try GuardedBuffer(byteCount: tested.scratchByteCount, odd: true),
        ]
        let y = try GuardedBuffer(byteCount: outputCount * type.byteCount)
        let dx = try GuardedBuffer(byteCount: inputCount * type.byteCount)
        let dw = try GuardedBuffer(byteCount: shape.weightCount * 4)
        var before: [[UInt8]] = []
        for (round, scratch) in workspaces.enumerated() {
            for buffer in [packed, packedForGradient, y, dx, dw] { buffer.poison() }
            EngineTeam.run(images: shape.images, threads: threads) {
                tested.pack(
                    w.plain.floats, into: packed.pointer, forGradient: packedForGradient.pointer)
                scratch.poison()
                tested.forward(
                    x: x.stored.pointer, packed: packed.pointer, bias: nil, y: y.pointer,
                    scratch: scratch.pointer)
                scratch.poison()
                tested.inputGradient(
                    dy: dy.stored.pointer,
                    packed: tested.packedForGradientByteCount > 0
                        ? packedForGradient.pointer : packed.pointer, dx: dx.pointer,
                    scratch: scratch.pointer)
                scratch.poison()
                tested.weightGradient(
                    x: x.stored.pointer, dy: dy.stored.pointer,
                    dw: dw.pointer.assumingMemoryBound(to: Float.self), scratch: scratch.pointer)
            }
            let now = [y, dx, dw].map {
                [UInt8](UnsafeRawBufferPointer(start: $0.pointer, count: $0.byteCount))
            }
            if round == 1, now != before { faults.append("two runs differ") }
            before = now
        }
        expectIntact([
            "the packed weights": packed, "the weights packed for the gradient": packedForGradient,
            "the scratch": workspaces[0], "the odd scratch": workspaces[1], "x": x.stored,
            "dy": dy.stored, "y": y, "dx": dx, "dw": dw,
        ])
        let expectedY = try AlignedBuffer(Float.self, count: outputCount)
        let expectedX = try AlignedBuffer(Float.self, count: inputCount)
        let expectedW = try AlignedBuffer(Float.self, count: shape.weightCount)
        let plainPacked = try AlignedBuffer(byteCount: plain.packedByteCount)
        let plainScratch = try AlignedBuffer(byteCount: plain.scratchByteCount)
        plain.pack(w.plain.floats, into: plainPacked.pointer, forGradient: plainPacked.pointer)
        plain.forward(
            x: x.plain.pointer, packed: plainPacked.pointer, bias: nil, y: expectedY.pointer,
            scratch: plainScratch.pointer)
        plain.inputGradient(
            dy: dy.plain.pointer, packed: plainPacked.pointer, dx: expectedX.pointer,
            scratch: plainScratch.pointer)
        plain.weightGradient(
            x: x.plain.pointer, dy: dy.plain.pointer, dw: expectedW.floats,
            scratch: plainScratch.pointer)
        compare("y", y.pointer, type, expectedY.floats, count: outputCount, terms: patch)
        compare("dx", dx.pointer, type, expectedX.floats, count: inputCount, terms: patch)
        compare(
            "dw", dw.pointer, .f32, expectedW.floats, count: shape.weightCount,
            terms: outputCount / shape.outputs)
    }

    /// Checks y = relu?(conv(x, w) + bias + y?), as inference fuses it.
    mutating func inference(_ type: ElementType, relu: Bool, addsToOutput: Bool) throws(SupConError)
    {
        let purpose = ConvolutionPurpose.inference(relu: relu, addsToOutput: addsToOutput)
        let tested = try engine.convolution(shape, purpose, type: type, threads: threads)
        let plain = MatrixConvolution(shape, purpose, threads: 1)
        let x = try values(inputCount, type, 0)
        let residual = try values(outputCount, type, 104_729)
        let w = try values(shape.weightCount, type, 31)
        let bias = try values(shape.outputs, .f32, 613)
        let packed = try GuardedBuffer(byteCount: tested.packedByteCount)
        let scratch = try GuardedBuffer(byteCount: tested.scratchByteCount)
        let y = try GuardedBuffer(byteCount: outputCount * type.byteCount)
        var before: [UInt8] = []
        for round in 0..<2 {
            packed.poison()
            scratch.poison()
            memcpy(y.pointer, residual.stored.pointer, y.byteCount)
            EngineTeam.run(images: shape.images, threads: threads) {
                tested.pack(w.plain.floats, into: packed.pointer, forGradient: packed.pointer)
                tested.forward(
                    x: x.stored.pointer, packed: packed.pointer, bias: bias.plain.floats,
                    y: y.pointer, scratch: scratch.pointer)
            }
            let now = [UInt8](UnsafeRawBufferPointer(start: y.pointer, count: y.byteCount))
            if round == 1, now != before { faults.append("two runs of inference differ") }
            before = now
        }
        expectIntact([
            "the packed weights": packed, "the scratch": scratch, "x": x.stored, "y": y,
        ])
        let plainPacked = try AlignedBuffer(byteCount: plain.packedByteCount)
        let plainScratch = try AlignedBuffer(byteCount: plain.scratchByteCount)
        plain.pack(w.plain.floats, into: plainPacked.pointer, forGradient: plainPacked.pointer)
        plain.forward(
            x: x.plain.pointer, packed: plainPacked.pointer, bias: bias.plain.floats,
            y: residual.plain.pointer, scratch: plainScratch.pointer)
        compare(
            "fused y", y.pointer, type, residual.plain.floats, count: outputCount, terms: patch)
    }

    /// Checks y = saturate(round(relu(scale conv(x, w) + bias + 0.7 y))) on bytes over their whole
    /// range, so that an intermediate sum that saturates is detected.
    mutating func int8(xIsSigned: Bool) throws(SupConError) {
        let scale = 0.02 / Float(patch).squareRoot()
        let description = QuantizedConvolution(
            relu: true, xIsSigned: xIsSigned, yIsSigned: false,
            scales: [Float](repeating: scale, count: shape.outputs),
            residual: .init(isSigned: false, scale: 0.7))
        let tested = try engine.convolution(
            shape, .int8(description), type: .f32, threads: threads)
        let plain = MatrixConvolution(
            shape, .inference(relu: false, addsToOutput: false), threads: 1)
        let any = ByteWeights(xIsSigned: false, dotProduct: true)
        func bytes(_ count: Int, _ offset: Int, signed: Bool, _ limit: ByteWeights)
            throws(SupConError) -> (plain: AlignedBuffer, stored: GuardedBuffer)
        {
            let plain = try AlignedBuffer(Float.self, count: count)
            let stored = try GuardedBuffer(byteCount: count)
            let raw = stored.pointer.assumingMemoryBound(to: UInt8.self)
            for i in 0..<count {
                let unit = Self.pool[(i + offset) & (1 << 17 - 1)]
                let value =
                    signed
                    ? (unit * limit.largest / limit.spacing).rounded() * limit.spacing
                    : ((unit + 1) * 127.5).rounded()
                plain.floats[i] = value
                raw[i] = signed ? UInt8(bitPattern: Int8(value)) : UInt8(value)
            }
            return (plain, stored)
        }
        let x = try bytes(inputCount, 0, signed: xIsSigned, any)
        let w = try bytes(
            shape.weightCount, 31, signed: true, ByteWeights(xIsSigned: xIsSigned))
        let residual = try bytes(outputCount, 104_729, signed: false, any)
        let packed = try GuardedBuffer(byteCount: tested.packedByteCount)
        let scratch = try GuardedBuffer(byteCount: tested.scratchByteCount)
        let bias = [Float](repeating: 3, count: shape.outputs)
        let y = try GuardedBuffer(byteCount: outputCount)
        packed.poison()
        scratch.poison()
        memcpy(y.pointer, residual.stored.pointer, outputCount)
        EngineTeam.run(images: shape.images, threads: threads) {
            tested.pack(w.plain.floats, into: packed.pointer, forGradient: packed.pointer)
            var prepared = bias
            tested.prepare(bias: &prepared)
            tested.forward(
                x: x.stored.pointer, packed: packed.pointer, bias: prepared, y: y.pointer,
                scratch: scratch.pointer)
        }
        expectIntact([
            "the packed weights": packed, "the scratch": scratch, "x": x.stored, "y": y,
        ])
        let sums = try AlignedBuffer(Float.self, count: outputCount)
        let plainPacked = try AlignedBuffer(byteCount: plain.packedByteCount)
        let plainScratch = try AlignedBuffer(byteCount: plain.scratchByteCount)
        plain.pack(w.plain.floats, into: plainPacked.pointer, forGradient: plainPacked.pointer)
        plain.forward(
            x: x.plain.pointer, packed: plainPacked.pointer,
            bias: [Float](repeating: 0, count: shape.outputs), y: sums.pointer,
            scratch: plainScratch.pointer)
        let found = y.pointer.assumingMemoryBound(to: UInt8.self)
        for i in 0..<outputCount {
            let exact = max(scale * sums.floats[i] + 3 + 0.7 * residual.plain.floats[i], 0)
            // Halfway between two either is right; f32 sums of many bytes are not exact.
            if abs(Float(found[i]) - min(exact, 255)) > 0.51 {
                faults.append("int8 y[\(i)] is \(found[i]); expected \(exact)")
                return
            }
        }
    }
}
