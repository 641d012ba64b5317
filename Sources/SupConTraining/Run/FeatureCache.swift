import Glibc
import SupConNetwork
import SupConTensor
import SupConVision

/// A feature cache stores the output of the frozen stages for a number of rounds of views of each
/// image. It is computed once, kept in memory or in a file, and read in every later epoch.
///
/// Epoch e, from 1, uses the views of epoch (e − 1) mod `rounds` + 1, so that with as many rounds
/// as epochs a run gives the same bytes as without the cache. An image that appears again within an
/// epoch uses the views of the next round. Outputs are stored in the type that the frozen stages
/// compute in, which loses nothing.
final class FeatureCache {
    let rounds: Int
    let views: Int
    private let samples: Int
    private let viewByteCount: Int
    private let byteCount: Int
    private let folder: RawPath?
    /// The stored outputs; nil until the cache is opened.
    private var storage: Storage?
    /// The image whose views each entry holds, which is another one if the entry's own image has
    /// become unreadable; -1: none yet.
    private var images: [Int]

    private enum Storage {
        case memory(AlignedBuffer)
        case file(ScratchFile)
    }

    /// Returns nil if no cache is wanted or no stage is frozen. `viewByteCount` is the number of
    /// bytes of a view's stored output. Errors: memory, io.
    init?(
        _ options: TrainOptions, samples: Int, viewByteCount: Int, context: ExecutionContext
    ) throws(SupConError) {
        guard options.featureCache > 0, viewByteCount > 0 else { return nil }
        // Rounds beyond the number of epochs would never be filled.
        (rounds, views) = (min(options.featureCache, options.epochs), options.effectiveViews)
        (self.samples, self.viewByteCount) = (samples, viewByteCount)
        var bytes = viewByteCount
        for factor in [views, rounds, samples] {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: factor)
            try require(!overflow, .memory, "the feature cache is larger than memory")
            bytes = product
        }
        (byteCount, folder) = (bytes, options.featureCacheFolder)
        if let folder {
            try ScratchFile.checkSpace(in: folder, byteCount: bytes)
        } else {
            try context.checkMemory(
                bytes,
                for:
                    """
                    a feature cache of \(rounds) rounds of \(views) views of \(samples) images \
                    (feature_cache_folder keeps it in a file)
                    """
            )
        }
        // Each takes 8 bytes, fewer than a view's output, so this does not overflow.
        try context.checkMemory(
            rounds * samples * 8, for: "the entries of a feature cache of \(samples) images")
        images = Array(repeating: -1, count: rounds * samples)
    }

    /// The memory that the cache occupies, in bytes; 0 if it is kept in a file.
    var memoryByteCount: Int { folder == nil ? byteCount : 0 }

    /// Reserves the memory or the disk space before anything is stored. Errors: memory, io.
    func open() throws(SupConError) {
        guard storage == nil else { return }
        if let folder {
            storage = .file(try ScratchFile(in: folder, byteCount: byteCount))
        } else {
            storage = .memory(try AlignedBuffer(byteCount: byteCount))
        }
    }

    // MARK: Entries

    /// Returns the round whose views are used for the appearance of index `repetition` of an image
    /// in an epoch.
    private func round(epoch: Int, repetition: Int) -> Int { (epoch - 1 + repetition) % rounds }

    /// Returns the entries of the images of an epoch's batches, in their order.
    func entries(epoch: Int, _ batches: [[Int]]) -> [[Int]] {
        var repetitions = [Int: Int]()
        return batches.map { batch in
            batch.map { sample in
                let repetition = repetitions[sample, default: 0]
                repetitions[sample] = repetition + 1
                return round(epoch: epoch, repetition: repetition) * samples + sample
            }
        }
    }

    /// Returns the images of these entries that have not been stored yet, by round.
    func missing(_ entries: [[Int]]) -> [(epoch: Int, samples: [Int])] {
        var missing = [[Int]](repeating: [], count: rounds)
        var seen = Set<Int>()
        for entry in entries.joined() where images[entry] < 0 && seen.insert(entry).inserted {
            missing[entry / samples].append(entry % samples)
        }
        return missing.enumerated().compactMap { $1.isEmpty ? nil : ($0 + 1, $1) }
    }

    /// Marks the entries of these samples in a round, from 1, as stored, with the views of the
    /// images `others`.
    func setFilled(epoch: Int, _ indices: [Int], with others: [Int]) {
        for (sample, other) in zip(indices, others) {
            images[(epoch - 1) * samples + sample] = other
        }
    }

    /// Returns the image whose views an entry holds.
    func image(_ entry: Int) -> Int { images[entry] }

    // MARK: Bytes

    private func offset(_ entry: Int, view: Int) -> Int { (entry * views + view) * viewByteCount }

    /// Stores the output of a view; several threads may write different views at a time. Errors:
    /// io.
    func write(_ output: UnsafeRawPointer, epoch: Int, sample: Int, view: Int) throws(SupConError) {
        let offset = offset((epoch - 1) * samples + sample, view: view)
        switch storage {
        case .memory(let buffer):
            (buffer.pointer + offset).copyMemory(from: output, byteCount: viewByteCount)
        case .file(let file): try file.write(output, count: viewByteCount, at: offset)
        case nil: throw SupConError(.internal, "the feature cache is not open")
        }
    }

    /// Returns the output of a view. `scratch` is a buffer of a view's bytes, used if the cache is
    /// a file. Errors: io.
    func read(_ entry: Int, view: Int, scratch: UnsafeMutableRawPointer) throws(SupConError)
        -> UnsafeRawPointer
    {
        let offset = offset(entry, view: view)
        switch storage {
        case .memory(let buffer): return UnsafeRawPointer(buffer.pointer + offset)
        case .file(let file):
            try file.read(into: scratch, count: viewByteCount, at: offset)
            return UnsafeRawPointer(scratch)
        case nil: throw SupConError(.internal, "the feature cache is not open")
        }
    }
}
