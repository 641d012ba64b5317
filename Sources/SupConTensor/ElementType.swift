/// The types in which array elements are stored.
public enum ElementType: Sendable, Equatable {
    case f32
    /// The upper half of an f32: 8 bits of exponent, 7 of fraction.
    case bf16

    /// The size of an element in bytes.
    public var byteCount: Int { self == .f32 ? 4 : 2 }
}

/// The precisions in which a network computes.
public enum Precision: String, Sendable, CaseIterable {
    case f32
    /// Activations and their gradients are bf16; weights, statistics, loss and optimizer are f32.
    case bf16

    /// The type in which activations are stored.
    package var activations: ElementType { self == .f32 ? .f32 : .bf16 }
}
