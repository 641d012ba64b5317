import SupConTensor

/// A layer of an encoder with its memory: forward, and backward from the gradient of its output to that of its input.
protocol TrainingLayer: AnyObject {
    func forward()
    func backward()
    /// After the weights have changed.
    func packWeights()
    /// Whether `forward` moves running statistics; at first it does.
    func setMovesStatistics(_ moves: Bool)
    /// What `forward` (with `packWeights`) and `backward` do, in parts, for profiles.
    var forwardParts: [LayerPart] { get }
    var backwardParts: [LayerPart] { get }
}

/// c = convolution(x),  y = relu?(BN(c) + residual?).
final class ConvolutionNormTraining: TrainingLayer {
    /// Where everything lies. dy2, residual, g and dx are nil where there is none.
    struct Memory {
        var x, c, y: UnsafeMutableRawPointer
        var residual: UnsafeMutableRawPointer?
        /// Gradients of y (their sum counts), and where the sum's masked form g goes if the residual or the second pass needs it.
        var dy: UnsafeMutableRawPointer
        var dy2: UnsafeMutableRawPointer?
        var g: UnsafeMutableRawPointer?
        var dc: UnsafeMutableRawPointer
        var dx: UnsafeMutableRawPointer?
        var packed, packedForGradient, scratch: UnsafeMutableRawPointer
        var weights, weightGradient: UnsafeMutablePointer<Float>
    }

    let convolution: any Convolution
    let norm: BatchNorm
    let memory: Memory

    init(_ convolution: any Convolution, _ norm: BatchNorm, _ memory: Memory) {
        self.convolution = convolution
        self.norm = norm
        self.memory = memory
    }

    func setMovesStatistics(_ moves: Bool) { norm.movesStatistics = moves }
    func packWeights() { convolution.pack(memory.weights, into: memory.packed, forGradient: memory.packedForGradient) }

    func forward() {
        convolution.forward(x: memory.x, packed: memory.packed, bias: nil, y: memory.c, scratch: memory.scratch)
        norm.forward(x: memory.c, residual: memory.residual, y: memory.y)
    }

    func backward() {
        norm.backward(dy: memory.dy, dy2: memory.dy2, x: memory.c, y: memory.residual == nil ? nil : UnsafeRawPointer(memory.y), g: memory.g, dx: memory.dc)
        convolution.weightGradient(x: memory.x, dy: memory.dc, dw: memory.weightGradient, scratch: memory.scratch)
        guard let dx = memory.dx else { return }
        let packed = convolution.packedForGradientByteCount > 0 ? memory.packedForGradient : memory.packed
        convolution.inputGradient(dy: memory.dc, packed: packed, dx: dx, scratch: memory.scratch)
    }
}

/// y = max pool(x).
final class MaxPoolTraining: TrainingLayer {
    struct Memory {
        var x, y, places, dy: UnsafeMutableRawPointer
        var dy2: UnsafeMutableRawPointer?
        var dx: UnsafeMutableRawPointer
    }

    private let pool: MaxPool
    private let memory: Memory

    init(_ pool: MaxPool, _ memory: Memory) {
        self.pool = pool
        self.memory = memory
    }

    func packWeights() {}
    func setMovesStatistics(_ moves: Bool) {}
    func forward() { pool.forward(x: memory.x, y: memory.y, places: memory.places) }
    func backward() { pool.backward(dy: memory.dy, dy2: memory.dy2, places: memory.places, dx: memory.dx) }
}
