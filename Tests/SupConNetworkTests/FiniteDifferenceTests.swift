import SupConTensor
import Testing

@testable import SupConNetwork

/// Compares each layer's backward with central differences of its own forward: for random dy and v,
/// ⟨dy, (f(x + h v) − f(x − h v)) / 2h⟩ = ⟨dx, v⟩. Forward itself is compared with other programs
/// elsewhere.
@Suite struct FiniteDifferenceTests {
    static let step: Float = 1e-2

    func random(_ count: Int, _ seed: UInt64) -> [Float] {
        var stream = Philox(seed: seed, purpose: .test)
        return (0..<count).map { _ in stream.normal() }
    }

    func dot(_ a: [Float], _ b: [Float]) -> Double {
        zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }

    /// Compares `gradient`, that of ⟨dy, f⟩ with respect to x, with differences.
    func expectDerivative(
        _ what: String, at x: [Float], dy: [Float], gradient: [Float], tolerance: Double = 1e-2,
        _ f: ([Float]) throws -> [Float]
    ) throws {
        for seed in 90..<93 {
            let v = random(x.count, UInt64(seed))
            func moved(_ h: Float) -> [Float] { zip(x, v).map { $0 + h * $1 } }
            let (up, down) = (try f(moved(Self.step)), try f(moved(-Self.step)))
            let numeric = (dot(dy, up) - dot(dy, down)) / Double(2 * Self.step)
            let analytic = dot(gradient, v)
            let scale = (dot(gradient, gradient)).squareRoot() + 1e-3
            #expect(
                abs(numeric - analytic) < tolerance * scale,
                "\(what): \(numeric) by differences, \(analytic) by backward, |gradient| \(scale)")
        }
    }

    @Test(arguments: Engine.tested, [(3, 1), (3, 2), (1, 1), (1, 2), (7, 2)])
    func convolution(_ engine: Engine, _ kernel: (Int, Int)) throws {
        let s = ConvolutionShape(
            images: 2, height: 9, width: 7, inputs: 5, outputs: 6, kernel: kernel.0,
            stride: kernel.1, padding: kernel.0 / 2)
        let convolution = try engine.convolution(
            s, .training(inputGradient: true), type: .f32, threads: 2)
        let (x, w) = (random(s.images * s.height * s.width * s.inputs, 1), random(s.weightCount, 2))
        let dy = random(s.images * s.outHeight * s.outWidth * s.outputs, 3)
        let packed = try AlignedBuffer(byteCount: convolution.packedByteCount),
            turned = try AlignedBuffer(byteCount: convolution.packedForGradientByteCount)
        let scratch = try AlignedBuffer(byteCount: convolution.scratchByteCount)
        func forward(_ x: [Float], _ w: [Float]) -> [Float] {
            var y = dy
            w.withUnsafeBufferPointer { w in
                convolution.pack(w.baseAddress!, into: packed.pointer, forGradient: turned.pointer)
                convolution.forward(
                    x: x, packed: packed.pointer, bias: nil, y: &y, scratch: scratch.pointer)
            }
            return y
        }
        _ = forward(x, w)
        var (dx, dw) = (x, w)
        w.withUnsafeBufferPointer { w in
            convolution.pack(w.baseAddress!, into: packed.pointer, forGradient: turned.pointer)
            convolution.inputGradient(
                dy: dy,
                packed: convolution.packedForGradientByteCount > 0
                    ? turned.pointer : packed.pointer, dx: &dx, scratch: scratch.pointer)
            convolution.weightGradient(x: x, dy: dy, dw: &dw, scratch: scratch.pointer)
        }
        try expectDerivative("dx", at: x, dy: dy, gradient: dx) { forward($0, w) }
        try expectDerivative("dw", at: w, dy: dy, gradient: dw) { forward(x, $0) }
    }

    @Test(arguments: [false, true], [false, true])
    func batchNorm(_ relu: Bool, _ hasResidual: Bool) throws {
        let (rows, channels) = (24, 5)
        let (x, dy) = (random(rows * channels, 1), random(rows * channels, 2))
        // Far enough from 0, as β is, that a small step does not cross the ReLU's corner.
        let residual = random(rows * channels, 3).map { $0 + ($0 > 0 ? 6 : -6) }
        let memory = try AlignedBuffer(Float.self, count: 6 * channels)
        let p = memory.floats
        let parameters = BatchNorm.Parameters(
            gamma: p, beta: p + channels, runningMean: p + 2 * channels,
            runningVariance: p + 3 * channels, gammaGradient: p + 4 * channels,
            betaGradient: p + 5 * channels)
        let gamma = random(channels, 4).map { 0.3 * $0 },
            beta = (0..<channels).map { $0 % 2 == 0 ? Float(2) : -2 }
        let norm = try BatchNorm(
            parameters, rows: rows, channels: channels, type: .f32, relu: relu, threads: 2)
        func forward(_ x: [Float], _ gamma: [Float], _ beta: [Float], _ residual: [Float])
            -> [Float]
        {
            for c in 0..<channels { (p[c], p[channels + c]) = (gamma[c], beta[c]) }
            var y = x
            x.withUnsafeBytes { x in
                residual.withUnsafeBytes { r in
                    norm.forward(
                        x: x.baseAddress!, residual: hasResidual ? r.baseAddress : nil, y: &y)
                }
            }
            return y
        }
        let y = forward(x, gamma, beta, residual)
        var (dx, g) = (x, x)
        x.withUnsafeBytes { x in
            y.withUnsafeBytes { y in
                dy.withUnsafeBytes { dy in
                    g.withUnsafeMutableBytes { g in
                        norm.backward(
                            dy: dy.baseAddress!, dy2: nil, x: x.baseAddress!,
                            y: hasResidual ? y.baseAddress : nil,
                            g: hasResidual ? g.baseAddress : nil, dx: &dx)
                    }
                }
            }
        }
        let gammaGradient = (0..<channels).map { p[4 * channels + $0] },
            betaGradient = (0..<channels).map { p[5 * channels + $0] }
        try expectDerivative("dx", at: x, dy: dy, gradient: dx) {
            forward($0, gamma, beta, residual)
        }
        try expectDerivative("dγ", at: gamma, dy: dy, gradient: gammaGradient) {
            forward(x, $0, beta, residual)
        }
        try expectDerivative("dβ", at: beta, dy: dy, gradient: betaGradient) {
            forward(x, gamma, $0, residual)
        }
        if hasResidual {
            try expectDerivative("dresidual", at: residual, dy: dy, gradient: g) {
                forward(x, gamma, beta, $0)
            }
        }
    }

    @Test func pools() throws {
        let (input, output) = (
            ComputeGraph.Shape(height: 7, width: 6, channels: 3),
            ComputeGraph.Shape(height: 4, width: 3, channels: 3)
        )
        // Values far apart, so that a small step does not change which is the largest.
        let count = 2 * input.area * input.channels
        var order = Philox(seed: 4, purpose: .test)
        let x = order.permutation(count).map { Float($0) }
        let dy = random(2 * output.area * output.channels, 2)
        let pool = MaxPool(images: 2, input: input, output: output, threads: 2)
        var argmax = [UInt8](repeating: 0, count: pool.argmaxByteCount)
        func forward(_ x: [Float]) -> [Float] {
            var y = dy
            pool.forward(x: x, y: &y, argmax: &argmax, type: .f32)
            return y
        }
        _ = forward(x)
        var dx = x
        pool.backward(dy: dy, dy2: nil, argmax: argmax, dx: &dx, type: .f32)
        try expectDerivative("max pool", at: x, dy: dy, gradient: dx, forward)

        let average = AveragePool(
            images: 2, area: input.area, channels: input.channels, threads: 2)
        let dMean = random(2 * input.channels, 3)
        average.backward(dy: dMean, dx: &dx, type: .f32)
        try expectDerivative("average pool", at: random(count, 5), dy: dMean, gradient: dx) { x in
            var y = dMean
            average.forward(x: x, y: &y, stored: .f32)
            return y
        }
    }

    @Test func linearAndUnitLength() throws {
        let (rows, inputs, outputs) = (4, 6, 5)
        let (x, w, b, dy) = (
            random(rows * inputs, 1), random(inputs * outputs, 2), random(outputs, 3),
            random(rows * outputs, 4)
        )
        func forward(_ x: [Float], _ w: [Float], _ b: [Float]) -> [Float] {
            var y = dy
            w.withUnsafeBufferPointer { w in
                b.withUnsafeBufferPointer { b in
                    LinearLayer(
                        rows: rows, inputs: inputs, outputs: outputs, weight: w.baseAddress!,
                        bias: b.baseAddress!, threads: 2
                    ).forward(x: x, y: &y)
                }
            }
            return y
        }
        let y = forward(x, w, b)
        var (dx, dw, db, g) = (x, w, b, dy)
        w.withUnsafeBufferPointer { w in
            b.withUnsafeBufferPointer { b in
                LinearLayer(
                    rows: rows, inputs: inputs, outputs: outputs, weight: w.baseAddress!,
                    bias: b.baseAddress!, threads: 2
                )
                .backward(x: x, y: y, dy: &g, dWeight: &dw, dBias: &db, dx: &dx)
            }
        }
        try expectDerivative("dx", at: x, dy: dy, gradient: dx) { forward($0, w, b) }
        try expectDerivative("dW", at: w, dy: dy, gradient: dw) { forward(x, $0, b) }
        try expectDerivative("db", at: b, dy: dy, gradient: db) { forward(x, w, $0) }

        let unit = L2Normalize(rows: rows, dimension: inputs)
        var (z, lengths) = (x, [Float](repeating: 0, count: rows))
        unit.forward(w: x, z: &z, lengths: &lengths)
        let dz = random(rows * inputs, 6)
        unit.backward(z: z, dz: dz, lengths: lengths, dw: &dx)
        try expectDerivative("unit length", at: x, dy: dz, gradient: dx) { x in
            var (z, lengths) = (x, lengths)
            unit.forward(w: x, z: &z, lengths: &lengths)
            return z
        }
    }

    /// Checks that below ε a row is divided by ε, a constant, so that its derivative is dz / ε.
    @Test func dividesTinyRowsByEpsilon() {
        let unit = L2Normalize(rows: 2, dimension: 2), w: [Float] = [3e-13, 0, 3, 4]
        var (z, lengths, dw) = (w, [Float](repeating: 0, count: 2), w)
        unit.forward(w: w, z: &z, lengths: &lengths)
        #expect(zip(z, [0.3, 0, 0.6, 0.8]).allSatisfy { abs($0 - $1) < 1e-6 })
        unit.backward(z: z, dz: [1, 2, 1, 0], lengths: lengths, dw: &dw)
        // The second row: (dz − z (z·dz)) / 5 with z·dz = 0.6.
        let expected: [Float] = [1e12, 2e12, 0.128, -0.096]
        #expect(zip(dw, expected).allSatisfy { abs($0 - $1) <= 1e-6 * abs($1) + 1e-7 })
    }
}
