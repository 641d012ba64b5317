import SupConTensor

/// A layer part is a named part of the work that a layer does in a step.
struct LayerPart {
    /// The name that profiles show.
    var name: String
    var isConvolution = false
    var run: () -> Void
}

/// A training layer owns its buffers, and runs forward, and backward from the gradient of its
/// output to that of its input.
protocol TrainingLayer: AnyObject {
    /// The parts of a step's work, in order.
    var forwardParts: [LayerPart] { get }
    var backwardParts: [LayerPart] { get }
    /// Sets whether forward updates running statistics, which it does by default.
    func setMovesStatistics(_ moves: Bool)
}

extension TrainingLayer {
    func forward() { for part in forwardParts { part.run() } }
    func backward() { for part in backwardParts { part.run() } }
}

/// The layer c = convolution(x), y = relu?(BN(c) + residual?) in training.
final class ConvolutionNormTraining: TrainingLayer {
    /// The buffers of the layer. dy2, residual, g, dx and recomputed are nil if they are not
    /// needed.
    struct Memory {
        var x, c, y: UnsafeMutableRawPointer
        var residual: UnsafeMutableRawPointer?
        /// The gradients of y, of which the sum counts, and the buffer g of the masked sum, if the
        /// residual or the second pass needs it.
        var dy: UnsafeMutableRawPointer
        var dy2: UnsafeMutableRawPointer?
        var g: UnsafeMutableRawPointer?
        var dc: UnsafeMutableRawPointer
        var dx: UnsafeMutableRawPointer?
        /// The way to recompute x, if it is not kept after forward.
        var recomputed: RecomputedInput?
        var packed, packedForGradient, scratch: UnsafeMutableRawPointer
        var weights, weightGradient: UnsafeMutablePointer<Float>
    }

    /// The batch norm that recomputes x from its own input c.
    struct RecomputedInput {
        var norm: BatchNorm
        var c, x: UnsafeMutableRawPointer
    }

    let forwardParts: [LayerPart]
    let backwardParts: [LayerPart]
    let norm: BatchNorm

    init(_ convolution: any Convolution, _ norm: BatchNorm, _ memory: Memory) {
        self.norm = norm
        forwardParts = [
            LayerPart(name: "pack") {
                convolution.pack(
                    memory.weights, into: memory.packed, forGradient: memory.packedForGradient)
            },
            LayerPart(name: "forward", isConvolution: true) {
                convolution.forward(
                    x: memory.x, packed: memory.packed, bias: nil, y: memory.c,
                    scratch: memory.scratch)
            },
            LayerPart(name: "norm_forward") {
                norm.forward(x: memory.c, residual: memory.residual, y: memory.y)
            },
        ]
        var backward = [
            LayerPart(name: "norm_backward") {
                norm.backward(
                    dy: memory.dy, dy2: memory.dy2, x: memory.c,
                    y: memory.residual == nil ? nil : UnsafeRawPointer(memory.y), g: memory.g,
                    dx: memory.dc)
            }
        ]
        if let again = memory.recomputed {
            backward.append(
                LayerPart(name: "norm_again") {
                    again.norm.apply(x: again.c, residual: nil, y: again.x)
                })
        }
        let x = memory.recomputed?.x ?? memory.x
        backward.append(
            LayerPart(name: "weight_gradient", isConvolution: true) {
                convolution.weightGradient(
                    x: x, dy: memory.dc, dw: memory.weightGradient, scratch: memory.scratch)
            })
        if let dx = memory.dx {
            let packed =
                convolution.packedForGradientByteCount > 0
                ? memory.packedForGradient : memory.packed
            backward.append(
                LayerPart(name: "input_gradient", isConvolution: true) {
                    convolution.inputGradient(
                        dy: memory.dc, packed: packed, dx: dx, scratch: memory.scratch)
                })
        }
        backwardParts = backward
    }

    func setMovesStatistics(_ moves: Bool) { norm.movesStatistics = moves }
}

/// The layer y = max pool(x) in training.
final class MaxPoolTraining: TrainingLayer {
    struct Memory {
        var x, y, argmax, dy: UnsafeMutableRawPointer
        var dy2: UnsafeMutableRawPointer?
        var dx: UnsafeMutableRawPointer
    }

    let forwardParts: [LayerPart]
    let backwardParts: [LayerPart]

    init(_ pool: MaxPool, _ memory: Memory, type: ElementType) {
        forwardParts = [
            LayerPart(name: "pool_forward") {
                pool.forward(x: memory.x, y: memory.y, argmax: memory.argmax, type: type)
            }
        ]
        backwardParts = [
            LayerPart(name: "pool_backward") {
                pool.backward(
                    dy: memory.dy, dy2: memory.dy2, argmax: memory.argmax, dx: memory.dx,
                    type: type)
            }
        ]
    }

    func setMovesStatistics(_ moves: Bool) {}
}
