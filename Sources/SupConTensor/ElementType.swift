/// How a number is stored.
public enum ElementType: Sendable, Equatable {
    case f32
    /// The upper half of an f32: 8 bits of exponent, 7 of fraction.
    case bf16

    public var byteCount: Int { self == .f32 ? 4 : 2 }
}

/// What a network computes in.
public enum Precision: String, Sendable, CaseIterable {
    case f32
    /// Activations and their gradients in bf16; weights, statistics, loss and optimizer in f32.
    case bf16

    /// The type in which activations are stored.
    public var activations: ElementType { self == .f32 ? .f32 : .bf16 }
}
