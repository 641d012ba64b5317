import SupConTensor

/// The parameters of a network: f32, one after another in one buffer, the trainable ones first, so
/// that an optimizer is one loop and a copy is one memcpy.
package final class ParameterStore: @unchecked Sendable {
    /// The role of a parameter decides how it begins and whether weight decay may skip it.
    package enum Role: Sendable {
        /// [out, in, height, width]
        case convolution
        /// [out, in]
        case linearWeight
        case bias
        case normWeight, normBias
        /// The statistics of batch norm: not trained, but learned.
        case runningMean, runningVariance

        package var isTrainable: Bool { self != .runningMean && self != .runningVariance }
    }

    package enum Part: Sendable { case encoder, head, classifier }

    /// The depth of head and classifier.
    package static let headDepth = 5

    package struct Entry: Sendable {
        /// torchvision's for the encoder and "fc", SupContrast's for the head.
        package let name: String
        package let shape: [Int]
        package let role: Role
        package let part: Part
        /// The distance from the image: 0 the stem, 1 to 4 the encoder's stages, 5 head and
        /// classifier.
        package let depth: Int
        /// Where it begins in `values`, in elements.
        package let offset: Int
        package let count: Int
        /// Batch norm's γ that ends a residual block.
        let isLastGamma: Bool

        package var range: Range<Int> { offset..<(offset + count) }
    }

    package let entries: [Entry]
    /// Elements that are trained; they come first.
    package let trainableCount: Int
    /// Elements in all.
    package let count: Int
    private let memory: AlignedBuffer
    private let byName: [String: Int]

    package var values: UnsafeMutablePointer<Float> { memory.floats }

    /// A parameter before it has an offset.
    struct Declaration {
        var name: String
        var shape: [Int]
        var role: Role
        var part: Part
        var depth = ParameterStore.headDepth
        var isLastGamma = false
    }

    /// Zeroed memory for `declarations`, trainable ones first, in their order otherwise. Errors:
    /// memory.
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

    /// The parameter's elements, row-major in its shape.
    package func pointer(_ entry: Entry) -> UnsafeMutablePointer<Float> { values + entry.offset }

    /// Copies every parameter of `other` that has the same name and shape here.
    func copyValues(from other: ParameterStore) {
        for entry in entries {
            guard let source = other.entry(named: entry.name), source.shape == entry.shape else {
                continue
            }
            pointer(entry).update(from: other.pointer(source), count: entry.count)
        }
    }
}
