import CKernels
import Glibc
import SupConTensor

/// Finds the k nearest rows of a gallery by cosine, and lets them vote: each for its class, with
/// weight exp(cosine / temperature) (Wu et al., arXiv:1805.01978, §3.4).
///
/// Among equally similar rows the first is nearer; among equal votes the lowest class wins; classes
/// without a vote follow in order. The gallery is copied at length 1.
package struct NearestNeighbors: Sendable {
    let present: PresentClasses
    private let gallery: Gallery

    package var count: Int { gallery.count }
    package var dimension: Int { gallery.dimension }

    /// gallery: [labels.count, dimension]; labels: any. Errors: argument, shape, memory.
    package init(
        gallery: UnsafePointer<Float>, labels: UnsafeBufferPointer<Int64>, dimension: Int,
        context: ExecutionContext = .default
    ) throws(SupConError) {
        let checked = try CheckedRows(
            gallery, count: labels.count, dimension: dimension, name: "training row",
            context: context)
        try self.init(checked, PresentClasses(labels, context: context), context: context)
    }

    init(_ rows: CheckedRows, _ present: PresentClasses, context: ExecutionContext)
        throws(SupConError)
    {
        self.present = present
        gallery = try Gallery(rows, context: context)
    }

    /// How many vote, and how.
    package struct Vote: Sendable, Equatable {
        package var k: Int
        package var temperature: Float
        /// Query i is row i of the gallery, and does not vote for itself.
        package var leavesOneOut: Bool
        package init(k: Int = 20, temperature: Float = 0.1, leavesOneOut: Bool = false) {
            (self.k, self.temperature, self.leavesOneOut) = (k, temperature, leavesOneOut)
        }

        /// Errors: argument.
        func validate(gallery count: Int) throws(SupConError) {
            let most = leavesOneOut ? count - 1 : count
            try require(
                k >= 1 && k <= most, .argument,
                """
                k is \(k); expected 1 to \(most), the number of training \
                rows\(leavesOneOut ? " but the one that is asked about" : "")
                """
            )
            try require(
                temperature > 0 && temperature.isFinite, .argument,
                "temperature is \(temperature); expected more than 0")
        }
    }

    /// The class of each of the queries [count, dimension]. Errors: argument, shape, memory.
    package func predict(
        _ queries: UnsafePointer<Float>, count: Int, vote: Vote = Vote(),
        context: ExecutionContext = .default
    ) throws(SupConError) -> [Int64] {
        let checked = try CheckedRows(
            queries, count: count, dimension: dimension, name: "query row", context: context)
        return try guesses(checked, truth: { _ in nil }, vote: vote, context: context).predictions
    }

    /// probabilities: gets each class's share of the votes.
    func guesses(
        _ queries: CheckedRows, truth: (Int) -> Int?, vote: Vote,
        probabilities: ProbabilityRows? = nil, context: ExecutionContext
    ) throws(SupConError) -> Guesses {
        try Guesses(rows: queries.count, classes: present) { guesses throws(SupConError) in
            try search(queries, vote: vote, context: context) { query, nearest, votes in
                guesses[query] = guess(
                    nearest, vote: vote, truth: truth(query), votes: votes,
                    probabilities: probabilities?.row(query))
            }
        }
    }

    /// Calls `body` for each query, on several threads, with its k nearest, the nearest first, and
    /// with zeros [classes present], which it gives back as zeros. Errors: argument, shape, memory.
    func search(
        _ queries: CheckedRows, vote: Vote, context: ExecutionContext,
        _ body: (
            _ query: Int, _ nearest: UnsafeBufferPointer<sc_neighbor>,
            _ votes: UnsafeMutablePointer<Double>
        ) -> Void
    ) throws(SupConError) {
        try vote.validate(gallery: count)
        try gallery.search(
            queries, most: vote.k, leavesOneOut: vote.leavesOneOut, numbers: present.count,
            for: "finding the \(vote.k) nearest of \(count) rows", context: context,
            wanted: { _ in vote.k }, body)
    }

    /// Weights are taken relative to the nearest's, so that no temperature makes them overflow.
    private func guess(
        _ nearest: UnsafeBufferPointer<sc_neighbor>, vote: Vote, truth: Int?,
        votes: UnsafeMutablePointer<Double>, probabilities: UnsafeMutablePointer<Float>?
    ) -> Guess {
        guard let first = nearest.first else { return Guess(place: 0, before: .max) }
        let places = present.rowPlaces
        func place(_ n: sc_neighbor) -> Int { Int(places[Int(n.index)]) }
        for n in nearest {
            votes[place(n)] += exp(
                Double(n.similarity - first.similarity) / Double(vote.temperature))
        }
        var best = place(first)
        for n in nearest {
            let p = place(n)
            if votes[p] > votes[best] || (votes[p] == votes[best] && p < best) { best = p }
        }
        if let probabilities {
            var sum = 0.0  // over the neighbors, each class once
            for n in nearest where probabilities[Int(present.classes[place(n)])] == 0 {
                probabilities[Int(present.classes[place(n)])] = 1
                sum += votes[place(n)]
            }
            for n in nearest {
                probabilities[Int(present.classes[place(n)])] = Float(votes[place(n)] / sum)
            }
        }
        let before = truth.map { self.before($0, nearest, votes) } ?? .max
        for n in nearest { votes[place(n)] = 0 }
        return Guess(place: best, before: before)
    }

    /// How many classes are guessed before `truth`: those with more votes, those with as many and a
    /// lower number. Takes the votes of the classes that it has counted.
    private func before(
        _ truth: Int, _ nearest: UnsafeBufferPointer<sc_neighbor>,
        _ votes: UnsafeMutablePointer<Double>
    ) -> Int {
        let own = votes[truth]
        // Without votes: all lower classes, and the higher ones that have some.
        var before = own > 0 ? 0 : truth
        for n in nearest {
            let p = Int(present.rowPlaces[Int(n.index)])
            if votes[p] > 0 && p != truth
                && (own > 0 ? votes[p] > own || (votes[p] == own && p < truth) : p > truth)
            {
                before += 1
            }
            if p != truth { votes[p] = 0 }
        }
        return before
    }
}

/// The share of queries whose class the k nearest of a gallery vote for: a cheap monitor of
/// training. Errors: argument, shape, memory.
package func knnAccuracy(
    queries: UnsafePointer<Float>, labels: UnsafeBufferPointer<Int64>,
    gallery: UnsafePointer<Float>, galleryLabels: UnsafeBufferPointer<Int64>, dimension: Int,
    k: Int = 1,
    temperature: Float = 0.1, context: ExecutionContext = .default
) throws(SupConError) -> Double {
    let neighbors = try NearestNeighbors(
        gallery: gallery, labels: galleryLabels, dimension: dimension, context: context)
    let rows = try CheckedRows(
        queries, count: labels.count, dimension: dimension, name: "query row", context: context)
    let guesses = try neighbors.guesses(
        rows, truth: { neighbors.present.place(of: labels[$0]) },
        vote: .init(k: k, temperature: temperature), context: context)
    return Double(guesses.first) / Double(rows.count)
}

/// The same of rows among each other: each is judged by its k nearest others. Errors: argument,
/// shape, memory.
package func knnAccuracy(
    leavingOneOut rows: UnsafePointer<Float>, labels: UnsafeBufferPointer<Int64>, dimension: Int,
    k: Int = 1, temperature: Float = 0.1,
    context: ExecutionContext = .default
) throws(SupConError) -> Double {
    let neighbors = try NearestNeighbors(
        gallery: rows, labels: labels, dimension: dimension, context: context)
    let queries = try CheckedRows(
        rows, count: labels.count, dimension: dimension, name: "query row", context: context)
    let guesses = try neighbors.guesses(
        queries, truth: { neighbors.present.place(of: labels[$0]) },
        vote: .init(k: k, temperature: temperature, leavesOneOut: true), context: context)
    return Double(guesses.first) / Double(queries.count)
}
