import SupConTensor

/// A parameter store holds the parameters of a network in f32, one after another in one buffer, the
/// trainable ones first, so that an optimizer is one loop and a copy is one memcpy.
package final class ParameterStore: @unchecked Sendable {
    /// The role of a parameter, which decides how it is initialized and whether weight decay may
    /// skip it.
    package enum Role: Sendable {
        /// A convolution's weight [out, in, height, width].
        case convolution
        /// A linear layer's weight [out, in].
        case linearWeight
        case bias
        case normWeight, normBias
        /// The running statistics of batch norm, which are learned but not by gradients.
        case runningMean, runningVariance

        package var isTrainable: Bool { self != .runningMean && self != .runningVariance }
    }

    package enum Part: Sendable { case encoder, head, classifier }

    /// The depth of head and classifier.
    package static let headDepth = 5

    package struct Entry: Sendable {
        /// The name: torchvision's for the encoder and "fc", SupContrast's for the head.
        package let name: String
        package let shape: [Int]
        package let role: Role
        package let part: Part
        /// The distance from the image: 0 for the stem, 1 to 4 for the encoder's stages, 5 for head
        /// and classifier.
        package let depth: Int
        /// The offset of the parameter in `values`, in elements.
        package let offset: Int
        package let count: Int
        /// Whether it is the γ of the batch norm that ends a residual block.
        let isLastGamma: Bool

        package var range: Range<Int> { offset..<(offset + count) }
    }

    package let entries: [Entry]
    /// The number of trainable elements, which come first.
    package let trainableCount: Int
    /// The number of all elements.
    package let count: Int
    private let memory: AlignedBuffer
    private let byName: [String: Int]

    package var values: UnsafeMutablePointer<Float> { memory.floats }

    /// A declaration is a parameter that has no offset yet.
    struct Declaration {
        var name: String
        var shape: [Int]
        var role: Role
        var part: Part
        var depth = ParameterStore.headDepth
        var isLastGamma = false
    }

    /// Allocates zeroed memory for `declarations`, the trainable ones first, and otherwise in the
    /// given order. Errors: memory.
    init(_ declarations: [Declaration]) throws(SupConError) {
        var offset = 0
        var placed: [Entry] = []
        for declaration in declarations.filter(\.role.isTrainable)
            + declarations.filter({ !$0.role.isTrainable })
        {
            let count = declaration.shape.reduce(1, *)
            placed.append(
                Entry(
                    name: declaration.name, shape: declaration.shape, role: declaration.role,
                    part: declaration.part, depth: declaration.depth, offset: offset, count: count,
                    isLastGamma: declaration.isLastGamma))
            offset += count
        }
        entries = placed
        count = offset
        trainableCount = placed.last { $0.role.isTrainable }.map { $0.range.upperBound } ?? 0
        byName = Dictionary(uniqueKeysWithValues: placed.enumerated().map { ($1.name, $0) })
        memory = try AlignedBuffer(Float.self, count: count)
    }

    package func entry(named name: String) -> Entry? { byName[name].map { entries[$0] } }

    /// Returns the parameter's elements, row-major in its shape.
    package func pointer(_ entry: Entry) -> UnsafeMutablePointer<Float> { values + entry.offset }

    /// Copies every parameter of `other` whose name and shape exist here.
    func copyValues(from other: ParameterStore) {
        for entry in entries {
            guard let source = other.entry(named: entry.name), source.shape == entry.shape else {
                continue
            }
            pointer(entry).update(from: other.pointer(source), count: entry.count)
        }
    }
}
