import SupConModel
import SupConTensor
import SupConVision

/// Shared rows are encoder outputs that the ranks compute in parts and then exchange, so that every
/// rank has all of them.
final class SharedRows {
    private let model: Model
    private let ranks: Ranks
    private let dimension: Int
    /// The rows [images, dimension].
    private let rows: AlignedBuffer
    private(set) var images: Dataset
    /// The range of images of each rank, in order, and this rank's images.
    private var parts: [Range<Int>]
    private var own: Dataset
    private var exchange: RankRows

    /// Divides the images among the ranks. Images that each rank has of its own are put in the
    /// order of the ranks. Errors: memory.
    init(_ model: Model, _ images: Dataset, _ ranks: Ranks) throws(SupConError) {
        var (images, parts) = (images, ranks.parts(images.count))
        if let owners = images.owners {
            let byOwner = (0..<ranks.world).map { rank in
                owners.indices.filter { owners[$0] == rank }
            }
            images = try images.subset(Array(byOwner.joined()))
            parts = []
            for own in byOwner {
                let start = parts.last?.upperBound ?? 0
                parts.append(start..<(start + own.count))
            }
        }
        (self.model, self.images, self.ranks, self.parts) = (model, images, ranks, parts)
        dimension = model.outputDimension(.encoder)
        rows = try AlignedBuffer(Float.self, count: images.count * dimension)
        own = ranks.isAlone ? images : try images.subset(Array(parts[ranks.rank]))
        exchange = try RankRows(ranks, parts: parts, rowByteCount: dimension * 4)
    }

    /// The rows of `images`, in their order.
    var values: UnsafePointer<Float> { UnsafePointer(rows.floats) }

    /// Embeds the images, within the model's `exclusive`. Images that have become unreadable are
    /// left out from then on. Errors: those of embedding, io (of the ranks).
    func embed() throws(SupConError) {
        let start = parts[ranks.rank].lowerBound
        let (found, reports) = try ranks.together { () throws(SupConError) in
            guard own.count > 0 else { return (images: own, indices: [Int]()) }
            return try model.embedReadable(
                own, EmbedOptions(), into: rows.floats + start * dimension)
        } reporting: {
            [Double($0.images.count)]
        }
        try exchange.gather(rows.pointer)
        var counts: [Int] = []
        for (report, part) in zip(reports, parts) {
            counts.append(try ranks.whole(report[0], in: 0...part.count))
        }
        guard counts != parts.map(\.count) else { return }
        if ranks.isAlone {
            images = found.images
        } else {
            try leaveOut(found.indices, counts)
        }
        own = found.images
    }

    /// Closes the gaps that unreadable images have left, so that each part consists of the rows
    /// that were embedded. `indices` are this rank's embedded images; `counts` are the numbers of
    /// each rank. Errors: io, memory.
    private func leaveOut(_ indices: [Int], _ counts: [Int]) throws(SupConError) {
        let (flags, flagsOfAll) = try ranks.together { () throws(SupConError) in
            (
                try AlignedBuffer(byteCount: images.count),
                try RankRows(ranks, parts: parts, rowByteCount: 1)
            )
        }
        let isThere = flags.values(of: UInt8.self)
        isThere.update(repeating: 0, count: images.count)
        for index in indices { isThere[parts[ranks.rank].lowerBound + index] = 1 }
        try flagsOfAll.gather(flags.pointer)
        var ends: [Range<Int>] = []
        for (part, count) in zip(parts, counts) {
            let start = ends.last?.upperBound ?? 0
            // Rows move towards the front, so that none is overwritten before it has moved.
            for row in 0..<count where part.lowerBound > start {
                (rows.floats + (start + row) * dimension).update(
                    from: rows.floats + (part.lowerBound + row) * dimension, count: dimension)
            }
            ends.append(start..<(start + count))
        }
        let left = (0..<images.count).filter { isThere[$0] == 1 }
        (images, exchange) = try ranks.together { () throws(SupConError) in
            (
                try images.subset(left),
                try RankRows(ranks, parts: ends, rowByteCount: dimension * 4)
            )
        }
        parts = ends
    }
}
