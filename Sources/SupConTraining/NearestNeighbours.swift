import CKernels
import Glibc
import SupConTensor

/// Finds the k nearest rows of a gallery by cosine, and lets them vote: each for its class, with weight exp(cosine / temperature) (Wu et al.,
/// arXiv:1805.01978, §3.4).
///
/// Similarities are made a tile at a time (128 queries × 1024 of the gallery) and seen once. Among equally similar rows the first is nearer; among equal
/// votes the lowest class wins; classes without a vote follow in order. The gallery is copied at length 1.
public struct NearestNeighbours: Sendable {
    static let queryRows = 128, galleryRows = 1024

    public let count: Int
    public let dimension: Int
    let present: PresentClasses
    private let gallery: AlignedBuffer  // f32 [count, dimension], rows of length 1

    /// gallery: [labels.count, dimension]; labels: 0 to mostClasses − 1. Errors: argument, shape, memory.
    public init(
        gallery: UnsafePointer<Float>, labels: UnsafeBufferPointer<Int64>, dimension: Int, context: ExecutionContext = .default
    ) throws(SupConError) {
        let checked = try CheckedRows(gallery, count: labels.count, dimension: dimension, name: "training row", context: context)
        try checkLabels(labels, count: checked.count, below: mostClasses, name: "training row")
        try self.init(checked, PresentClasses(labels), context: context)
    }

    init(_ rows: CheckedRows, _ present: PresentClasses, context: ExecutionContext) throws(SupConError) {
        (count, dimension, self.present) = (rows.count, rows.dimension, present)
        gallery = try rows.unitCopy(context: context)
    }

    /// How many vote, and how.
    public struct Vote: Sendable, Equatable {
        public var k: Int
        public var temperature: Float
        /// Query i is row i of the gallery, and does not vote for itself.
        public var leavesOneOut: Bool
        public init(k: Int = 20, temperature: Float = 0.1, leavesOneOut: Bool = false) {
            (self.k, self.temperature, self.leavesOneOut) = (k, temperature, leavesOneOut)
        }

        /// Errors: argument.
        func validate(gallery count: Int) throws(SupConError) {
            let most = leavesOneOut ? count - 1 : count
            try require(
                k >= 1 && k <= most, .argument,
                "k is \(k); expected 1 to \(most), the number of training rows\(leavesOneOut ? " but the one that is asked about" : "")")
            try require(temperature > 0 && temperature.isFinite, .argument, "temperature is \(temperature); expected more than 0")
        }
    }

    /// The class of each of the queries [count, dimension]. Errors: argument, shape, memory.
    public func predict(_ queries: UnsafePointer<Float>, count: Int, vote: Vote = Vote(), context: ExecutionContext = .default) throws(SupConError) -> [Int64] {
        let checked = try CheckedRows(queries, count: count, dimension: dimension, name: "query row", context: context)
        return try guesses(checked, truth: { _ in nil }, vote: vote, context: context).predictions
    }

    func guesses(_ queries: CheckedRows, truth: (Int) -> Int?, vote: Vote, context: ExecutionContext) throws(SupConError) -> Guesses {
        try Guesses(rows: queries.count, classes: present) { guesses throws(SupConError) in
            try search(queries, vote: vote, context: context) { query, nearest, votes in
                guesses[query] = guess(nearest, vote: vote, truth: truth(query), votes: votes)
            }
        }
    }

    /// Calls `body` for each query, on several threads, with its k nearest, the nearest first, and with zeros [classes present], which it gives back as
    /// zeros. Errors: argument, shape, memory.
    func search(
        _ queries: CheckedRows, vote: Vote, context: ExecutionContext,
        _ body: (_ query: Int, _ nearest: UnsafeBufferPointer<sc_neighbour>, _ votes: UnsafeMutablePointer<Double>) -> Void
    ) throws(SupConError) {
        try vote.validate(gallery: count)
        try require(queries.dimension == dimension, .shape, "queries have dimension \(queries.dimension); expected \(dimension), the training rows'")
        try require(
            !vote.leavesOneOut || queries.count == count, .shape, "there are \(queries.count) queries; expected \(count), the training rows, to leave one out")
        let (dimension, count, k) = (dimension, count, vote.k)
        let (queryRows, galleryRows) = (Self.queryRows, Self.galleryRows)
        let heapBytes = queryRows * k * MemoryLayout<sc_neighbour>.stride
        let tiles = try Tiles(
            count: queries.count, tileRows: queryRows, scratchBytes: present.count * 8 + heapBytes + queryRows * (dimension + galleryRows) * 4,
            for: "finding the \(k) nearest of \(count) rows", context: context)
        let unit = gallery.floats
        tiles.run { _, range, scratch in
            let votes = scratch.assumingMemoryBound(to: Double.self)
            let heaps = (scratch + present.count * 8).assumingMemoryBound(to: sc_neighbour.self)
            let x = (scratch + present.count * 8 + heapBytes).assumingMemoryBound(to: Float.self), similarities = x + queryRows * dimension
            queries.copyUnit(range, into: x)
            withUnsafeTemporaryAllocation(of: Int64.self, capacity: queryRows) { held in
                held.initialize(repeating: 0)
                for start in stride(from: 0, to: count, by: galleryRows) {
                    let width = min(galleryRows, count - start)
                    MatrixProduct.multiply(
                        transposeB: true, m: range.count, n: width, k: dimension, a: x, lda: dimension, b: unit + start * dimension, ldb: dimension,
                        c: similarities,
                        ldc: galleryRows)
                    for (i, query) in range.enumerated() {
                        sc_nearest_scan(
                            similarities + i * galleryRows, Int64(width), Int32(start), vote.leavesOneOut ? Int32(query) : -1, Int64(k), heaps + i * k, &held[i]
                        )
                    }
                }
                for (i, query) in range.enumerated() {
                    sc_nearest_sort(heaps + i * k, held[i])
                    body(query, UnsafeBufferPointer(start: heaps + i * k, count: Int(held[i])), votes)
                }
            }
        }
    }

    /// Weights are taken relative to the nearest's, so that no temperature makes them overflow.
    private func guess(_ nearest: UnsafeBufferPointer<sc_neighbour>, vote: Vote, truth: Int?, votes: UnsafeMutablePointer<Double>) -> Guess {
        guard let first = nearest.first else { return Guess(place: 0, before: .max) }
        let places = present.rowPlaces
        func place(_ n: sc_neighbour) -> Int { Int(places[Int(n.index)]) }
        for n in nearest { votes[place(n)] += exp(Double(n.similarity - first.similarity) / Double(vote.temperature)) }
        var best = place(first)
        for n in nearest {
            let p = place(n)
            if votes[p] > votes[best] || (votes[p] == votes[best] && p < best) { best = p }
        }
        let before = truth.map { self.before($0, nearest, votes) } ?? .max
        for n in nearest { votes[place(n)] = 0 }
        return Guess(place: best, before: before)
    }

    /// How many classes are guessed before `truth`: those with more votes, those with as many and a lower number. Takes the votes of the classes that it has
    /// counted.
    private func before(_ truth: Int, _ nearest: UnsafeBufferPointer<sc_neighbour>, _ votes: UnsafeMutablePointer<Double>) -> Int {
        let own = votes[truth]
        var before = own > 0 ? 0 : truth  // without votes: all lower classes, and the higher ones that have some
        for n in nearest {
            let p = Int(present.rowPlaces[Int(n.index)])
            if votes[p] > 0 && p != truth && (own > 0 ? votes[p] > own || (votes[p] == own && p < truth) : p > truth) { before += 1 }
            if p != truth { votes[p] = 0 }
        }
        return before
    }
}

/// The share of queries whose class the k nearest of a gallery vote for: a cheap monitor of training. Errors: argument, shape, memory.
public func knnAccuracy(
    queries: UnsafePointer<Float>, labels: UnsafeBufferPointer<Int64>, gallery: UnsafePointer<Float>, galleryLabels: UnsafeBufferPointer<Int64>, dimension: Int,
    k: Int = 1,
    temperature: Float = 0.1, context: ExecutionContext = .default
) throws(SupConError) -> Double {
    let neighbours = try NearestNeighbours(gallery: gallery, labels: galleryLabels, dimension: dimension, context: context)
    let rows = try CheckedRows(queries, count: labels.count, dimension: dimension, name: "query row", context: context)
    let guesses = try neighbours.guesses(
        rows, truth: { neighbours.present.place(of: labels[$0]) }, vote: .init(k: k, temperature: temperature), context: context)
    return Double(guesses.first) / Double(rows.count)
}

/// The same of rows among each other: each is judged by its k nearest others. Errors: argument, shape, memory.
public func knnAccuracy(
    leavingOneOut rows: UnsafePointer<Float>, labels: UnsafeBufferPointer<Int64>, dimension: Int, k: Int = 1, temperature: Float = 0.1,
    context: ExecutionContext = .default
) throws(SupConError) -> Double {
    let neighbours = try NearestNeighbours(gallery: rows, labels: labels, dimension: dimension, context: context)
    let queries = try CheckedRows(rows, count: labels.count, dimension: dimension, name: "query row", context: context)
    let guesses = try neighbours.guesses(
        queries, truth: { neighbours.present.place(of: labels[$0]) }, vote: .init(k: k, temperature: temperature, leavesOneOut: true), context: context)
    return Double(guesses.first) / Double(queries.count)
}
