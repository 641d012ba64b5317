import SupConTensor
import Synchronization

/// Replacements stand in for images that have become unreadable since the data set was made, if it
/// skips unreadable files: other images of the same class (without labels, any others), chosen by
/// (seed, epoch, index) alone, so that threads and resuming change nothing. They may be used from
/// any thread.
final class Replacements: Sendable {
    /// The number of other images that are tried before the first error counts.
    private static let attempts = 16

    private let dataset: Dataset
    private let seed: UInt64
    private let found = Mutex(Found())

    private struct Found {
        /// The images that this process can read, by class, or without labels as one; nil until
        /// they are needed.
        var members: [[Int]]?
        var images: Set<Int> = []
        /// The reason for each unreadable image, in the order in which they were found.
        var reasons: [String] = []
    }

    init(_ dataset: Dataset, seed: UInt64) { (self.dataset, self.seed) = (dataset, seed) }

    /// Makes image `index` by `make`, or another image in its place. Returns the index of the image
    /// that was made. Errors: those of `make` that do not concern the file; that of image `index`
    /// if an unreadable file is an error, or the others are unreadable too.
    func make(_ index: Int, epoch: Int, by make: (Int) throws(SupConError) -> Void)
        throws(SupConError) -> Int
    {
        do throws(SupConError) {
            try make(index)
            return index
        } catch {
            guard dataset.skipsUnreadable, error.isOfFile else { throw error }
            var stream = Philox(seed: seed, purpose: .replacement, epoch: epoch, sample: index)
            for _ in 0..<Self.attempts {
                guard let other = draw(index, &stream) else { break }
                do throws(SupConError) {
                    try make(other)
                    record(index, error.message)
                    return other
                } catch {
                    guard error.isOfFile else { throw error }
                    record(other, error.message)
                }
            }
            throw error
        }
    }

    /// Returns the unreadable images, as "path: reason", from number `first` on.
    func reasons(from first: Int) -> [String] {
        found.withLock { Array($0.reasons.dropFirst(first)) }
    }

    /// Draws another image of the class; nil if there is none.
    private func draw(_ index: Int, _ stream: inout Philox) -> Int? {
        guard dataset.labels != nil || dataset.joinedWorld != nil else {
            guard dataset.count > 1 else { return nil }
            let other = stream.index(below: dataset.count - 1)
            return other < index ? other : other + 1
        }
        let members = found.withLock { found in
            if found.members == nil {
                found.members = (dataset.imagesByClass() ?? [Array(0..<dataset.count)]).map {
                    $0.filter(dataset.isOwn)
                }
            }
            let number = dataset.labels.flatMap { dataset.classTable.index(of: $0[index]) }
            return found.members?[number ?? 0] ?? []
        }
        guard members.count > 1 else { return nil }
        let other = members[stream.index(below: members.count - 1)]
        return other == index ? members[members.count - 1] : other
    }

    private func record(_ image: Int, _ reason: String) {
        found.withLock {
            if $0.images.insert(image).inserted { $0.reasons.append(reason) }
        }
    }
}

extension SupConError {
    /// Whether the error concerns a file: it has vanished, or its content is no longer an image.
    package var isOfFile: Bool { kind == .io || kind == .format }
}
