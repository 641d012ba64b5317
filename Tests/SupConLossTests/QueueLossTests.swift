import Foundation
import SupConLoss
import SupConTensor
import Testing

/// Compares the loss of queries, keys and a queue with the formulas, without tiles, in double
/// precision.
@Suite struct QueueLossTests {
    private struct Batch {
        var options = ContrastiveOptions()
        var (queries, keys, queue, dimension) = (6, 1, 9, 4)
        var labels: [Int64]?
        var queueLabels: [Int64]?
        var arePositives = true

        func rows(_ count: Int, seed: UInt64) -> [Float] {
            var it = Case(samples: count, views: 1, dimension: dimension)
            it.dimension = dimension
            return count > 0 ? it.features(seed: seed) : []
        }

        /// Returns scale · L of each query; nil without a positive.
        func losses(_ q: [Double], _ contrasts: [Double]) -> [Double?] {
            let reference = Reference(
                options: options, samples: queries, views: 1, dimension: dimension, pairs: .views)
            return (0..<queries).map { i in
                var (positives, negatives): ([(w: Double, s: Double)], [Double]) = ([], [])
                for c in 0..<(queries * keys + queue) {
                    let s =
                        (0..<dimension).reduce(0) {
                            $0 + q[i * dimension + $1] * contrasts[c * dimension + $1]
                        } / Double(options.temperature)
                    if c < queries * keys {
                        let same = labels.map { $0[i] == $0[c / keys] } ?? (i == c / keys)
                        if same { positives.append((1, s)) } else { negatives.append(s) }
                    } else if let labels, let queueLabels,
                        labels[i] == queueLabels[c - queries * keys]
                    {
                        if arePositives { positives.append((1, s)) }
                    } else {
                        negatives.append(s)
                    }
                }
                return reference.loss(positives, negatives).map { $0 * Double(options.scale) }
            }
        }

        func run(_ q: [Float], _ contrasts: [Float], capacity: Int? = nil, threads: Int = 2) throws
            -> Outcome
        {
            let loss = try QueueLoss(
                options, queries: queries, keysPerQuery: keys, queueCapacity: capacity ?? queue,
                dimension: dimension, context: ExecutionContext(threads: threads))
            var (perAnchor, gradient) = (
                [Float](repeating: -7, count: queries), [Float](repeating: -7, count: q.count)
            )
            let result = try (labels ?? [0]).withUnsafeBufferPointer { own in
                try (queueLabels ?? [0]).withUnsafeBufferPointer { other in
                    try loss.evaluate(
                        queries: q, contrasts: contrasts,
                        queue: .init(
                            count: queue, labels: queueLabels == nil ? nil : other.baseAddress,
                            arePositives: arePositives),
                        positives: labels == nil ? .views : .labels(own.baseAddress!),
                        perAnchor: &perAnchor, gradient: &gradient)
                }
            }
            return Outcome(result: result, perAnchor: perAnchor, gradient: gradient)
        }

        func check(directions: Int? = nil, capacity: Int? = nil) throws {
            let (q, contrasts) = (rows(queries, seed: 1), rows(queries * keys + queue, seed: 2))
            let (exact, exactContrasts) = (q.map(Double.init), contrasts.map(Double.init))
            let outcome = try run(q, contrasts, capacity: capacity)
            let losses = losses(exact, exactContrasts)
            for (mine, exact) in zip(outcome.perAnchor, losses)
            where abs(Double(mine) - (exact ?? 0)) > 1e-5 {
                Issue.record("\(mine), expected \(exact ?? 0); \(self)")
            }
            let have = losses.count { $0 != nil }
            #expect(
                outcome.result.anchors == queries
                    && outcome.result.anchorsWithoutPositive == queries - have)
            func mean(_ q: [Double]) -> Double {
                self.losses(q, exactContrasts).reduce(0) { $0 + ($1 ?? 0) } / Double(max(have, 1))
            }
            #expect(abs(outcome.result.loss - mean(exact)) < 1e-5 * max(1, abs(mean(exact))))
            for k in directions.map({
                Array(stride(from: 0, to: q.count, by: max(1, q.count / $0)))
            }) ?? Array(q.indices) {
                var (up, down) = (exact, exact)
                (up[k], down[k]) = (up[k] + 1e-5, down[k] - 1e-5)
                let slope = (mean(up) - mean(down)) / 2e-5
                #expect(
                    abs(Double(outcome.gradient[k]) - slope) < 1e-5 * max(1, abs(slope)),
                    "[\(k)] \(options)")
            }
        }
    }

    @Test(arguments: 0..<5)
    func agreesWithTheFormulas(_ kind: Int) throws {
        for keys in [1, 3] {
            for queue in [0, 9] {
                for labeled in [false, true] {
                    for arePositives in labeled ? [false, true] : [false] {
                        var it = Batch()
                        (it.options.form, it.options.denominator) = Case.kinds[kind]
                        (it.options.temperature, it.options.scale) = (0.3, 1.5)
                        (it.keys, it.queue, it.arePositives) = (keys, queue, arePositives)
                        if labeled {
                            (it.labels, it.queueLabels) = (
                                Case.labels(6, classes: 3), Case.labels(max(queue, 1), classes: 4)
                            )
                        }
                        try it.check(capacity: queue + 5)
                    }
                }
            }
        }
    }

    /// Tests several blocks, none of which is full.
    @Test(arguments: 0..<5)
    func tilesAgreeWithTheFormulas(_ kind: Int) throws {
        for arePositives in [false, true] {
            var it = Batch()
            (it.options.form, it.options.denominator) = Case.kinds[kind]
            (it.queries, it.keys, it.queue, it.dimension, it.arePositives) = (
                83, 2, 700, 5, arePositives
            )
            (it.labels, it.queueLabels) = (
                Case.labels(83, classes: 7), Case.labels(700, classes: 8)
            )
            try it.check(directions: 9)
        }
    }

    /// Checks that a cap keeps K positives, including the query's own key.
    @Test func aCapHoldsForTheQueueToo() throws {
        var it = Batch()
        (it.queries, it.queue, it.dimension, it.options.temperature) = (1, 4, 3, 0.5)
        (it.labels, it.queueLabels, it.options.positivesCap) = ([5], [5, 5, 6, 5], 2)
        let (q, contrasts) = (it.rows(1, seed: 1), it.rows(5, seed: 2))
        func s(_ c: Int) -> Double {
            (0..<3).reduce(0) { $0 + Double(q[$1]) * Double(contrasts[c * 3 + $1]) } / 0.5
        }
        let expected = [1, 2, 4].map { p in
            log(exp(s(0)) + exp(s(p)) + exp(s(3))) - (s(0) + s(p)) / 2
        }
        let found = Double(try it.run(q, contrasts).perAnchor[0])
        #expect(expected.count { abs($0 - found) < 1e-5 } == 1, "\(found), one of \(expected)")
    }

    @Test func threadsDoNotMatter() throws {
        var it = Batch()
        (it.queries, it.queue, it.labels, it.queueLabels) = (
            70, 600, Case.labels(70, classes: 5), Case.labels(600, classes: 5)
        )
        let (q, contrasts) = (it.rows(70, seed: 1), it.rows(670, seed: 2))
        #expect(try it.run(q, contrasts, threads: 1) == it.run(q, contrasts, threads: 3))
    }

    @Test func badInputIsRefused() throws {
        func refused(_ kind: SupConError.Kind, _ word: String, _ body: () throws -> Void) {
            let error = #expect(throws: SupConError.self) { try body() }
            #expect(
                error?.kind == kind && error?.message.contains(word) == true,
                "\(error.map { "\($0)" } ?? "")")
        }
        let context = try ExecutionContext(threads: 1)
        refused(.shape, "queries") {
            _ = try QueueLoss(
                .init(), queries: 0, keysPerQuery: 1, queueCapacity: 1, dimension: 1,
                context: context)
        }
        refused(.shape, "queue of -1") {
            _ = try QueueLoss(
                .init(), queries: 1, keysPerQuery: 1, queueCapacity: -1, dimension: 1,
                context: context)
        }
        refused(.shape, "too many") {
            _ = try QueueLoss(
                .init(), queries: 1 << 40, keysPerQuery: 1 << 30, queueCapacity: 1, dimension: 1,
                context: context)
        }
        var it = Batch()
        let q = it.rows(6, seed: 1)
        var contrasts = it.rows(15, seed: 2)
        refused(.shape, "the queue has 9") { _ = try it.run(q, contrasts, capacity: 8) }
        contrasts[50] = .nan
        refused(.argument, "queue entry 6") { _ = try it.run(q, contrasts) }
        contrasts[9] = .nan
        refused(.argument, "key 2") { _ = try it.run(q, contrasts) }
        it.options.temperature = 0
        refused(.argument, "temperature") { _ = try it.run(q, contrasts) }
        let loss = try QueueLoss(
            .init(), queries: 1, keysPerQuery: 1, queueCapacity: 0, dimension: 1, context: context)
        refused(.argument, "mask") {
            _ = try [Float(1)].withUnsafeBufferPointer {
                try loss.evaluate(
                    queries: [1], contrasts: [1],
                    queue: .init(count: 0, labels: nil, arePositives: false),
                    positives: .mask($0.baseAddress!), perAnchor: nil, gradient: nil)
            }
        }
    }
}
