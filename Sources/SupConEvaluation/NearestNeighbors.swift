import CKernels
import Glibc
import SupConTensor

/// A nearest-neighbor classifier finds the k nearest rows of a gallery by cosine, each of which
/// votes for its class with weight exp(cosine / temperature) (Wu et al., arXiv:1805.01978, §3.4).
///
/// Among equally similar rows the first is nearer; among equal votes the lowest class wins; classes
/// without a vote follow in order. The gallery is a normalized copy.
package struct NearestNeighbors: Sendable {
    let present: PresentClasses
    private let gallery: Gallery

    package var count: Int { gallery.count }
    package var dimension: Int { gallery.dimension }

    /// Makes a classifier of the rows `gallery` [labels.count, dimension], with any labels. Errors:
    /// argument, shape, memory.
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

    /// A vote is the number of neighbors that vote, and the way in which they are weighed.
    package struct Vote: Sendable, Equatable {
        package var k: Int
        package var temperature: Float
        /// Whether query i is row i of the gallery, which does not vote for itself.
        package var leavesOneOut: Bool
        package init(k: Int = 20, temperature: Float = 0.1, leavesOneOut: Bool = false) {
            (self.k, self.temperature, self.leavesOneOut) = (k, temperature, leavesOneOut)
        }

        /// Throws unless the options suit a gallery of `count` rows. Errors: argument.
        func validate(gallery count: Int) throws(SupConError) {
            try checkNeighbors(k, of: count, leavesOneOut: leavesOneOut, name: "training row")
            try require(
                temperature > 0 && temperature.isFinite, .argument,
                "temperature is \(temperature); expected more than 0")
        }
    }

    /// Returns the class of each of the queries [count, dimension]. Errors: argument, shape,
    /// memory.
    package func predict(
        _ queries: UnsafePointer<Float>, count: Int, vote: Vote = Vote(),
        context: ExecutionContext = .default
    ) throws(SupConError) -> [Int64] {
        let checked = try CheckedRows(
            queries, count: count, dimension: dimension, name: "query row", context: context)
        return try guesses(checked, truth: { _ in nil }, vote: vote, context: context).predictions
    }

    /// Returns the guess for each query. `probabilities` receives the fraction of the votes for
    /// each class.
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

    /// Calls `body` for each query, on several threads, with its k nearest rows, nearest first, and
    /// with zeros [classes present] for its own use, which it must leave zero. Errors: argument,
    /// shape, memory.
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

    /// Returns the guess for one query. Weights are relative to that of the nearest row, so that no
    /// temperature makes them overflow.
    private func guess(
        _ nearest: UnsafeBufferPointer<sc_neighbor>, vote: Vote, truth: Int?,
        votes: UnsafeMutablePointer<Double>, probabilities: UnsafeMutablePointer<Float>?
    ) -> Guess {
        guard let first = nearest.first else { return Guess(index: 0, before: .max) }
        let rowClasses = present.rowClasses
        func classIndex(_ n: sc_neighbor) -> Int { Int(rowClasses[Int(n.index)]) }
        for n in nearest {
            votes[classIndex(n)] += exp(
                Double(n.similarity - first.similarity) / Double(vote.temperature))
        }
        var best = classIndex(first)
        for n in nearest {
            let p = classIndex(n)
            if votes[p] > votes[best] || (votes[p] == votes[best] && p < best) { best = p }
        }
        if let probabilities {
            var sum = 0.0  // over the neighbors, each class once
            for n in nearest where probabilities[Int(present.classes[classIndex(n)])] == 0 {
                probabilities[Int(present.classes[classIndex(n)])] = 1
                sum += votes[classIndex(n)]
            }
            for n in nearest {
                probabilities[Int(present.classes[classIndex(n)])] = Float(
                    votes[classIndex(n)] / sum)
            }
        }
        let before = truth.map { self.before($0, nearest, votes) } ?? .max
        for n in nearest { votes[classIndex(n)] = 0 }
        return Guess(index: best, before: before)
    }

    /// Returns the number of classes that rank before `truth`: those with more votes, and those
    /// with equal votes and a lower index. Resets the votes of the classes that it has counted.
    private func before(
        _ truth: Int, _ nearest: UnsafeBufferPointer<sc_neighbor>,
        _ votes: UnsafeMutablePointer<Double>
    ) -> Int {
        let own = votes[truth]
        // `truth` has no votes: all lower classes rank before it, and the higher ones with votes.
        var before = own > 0 ? 0 : truth
        for n in nearest {
            let p = Int(present.rowClasses[Int(n.index)])
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

/// Returns the fraction of queries whose class the k nearest rows of a gallery vote for, a cheap
/// monitor of training. Errors: argument, shape, memory.
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
        rows, truth: { neighbors.present.index(of: labels[$0]) },
        vote: .init(k: k, temperature: temperature), context: context)
    return Double(guesses.first) / Double(rows.count)
}

/// Returns that fraction for rows among each other: each is classified by its k nearest others.
/// Errors: argument, shape, memory.
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
        queries, truth: { neighbors.present.index(of: labels[$0]) },
        vote: .init(k: k, temperature: temperature, leavesOneOut: true), context: context)
    return Double(guesses.first) / Double(queries.count)
}
