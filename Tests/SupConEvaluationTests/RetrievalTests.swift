import SupConTensor
import TestSupport
import Testing

@testable import SupConEvaluation

@Suite struct RetrievalTests {
    /// Computes retrieval by sorting all rows, in f64.
    func reference(_ gallery: LabeledRows, _ queries: LabeledRows?) -> (
        p1: Double, rp: Double, map: Double, asked: Int, without: Int
    ) {
        let asking = queries ?? gallery
        var sums = (0.0, 0.0, 0.0), asked = 0, without = 0
        for q in 0..<asking.count {
            let unit = asking.unit(q)
            let others = (0..<gallery.count).filter { queries != nil || $0 != q }
            let matches = others.map { gallery.labels[$0] == asking.labels[q] }
            let r = matches.count { $0 }
            if r == 0 {
                without += 1
                continue
            }
            asked += 1
            let cosines = others.map { dot(unit, gallery.unit($0)) }
            let order = others.indices.sorted { (cosines[$1], $0) < (cosines[$0], $1) }
            let relevant = order.prefix(r).map { matches[$0] }
            sums.0 += relevant[0] ? 1 : 0
            sums.1 += Double(relevant.count { $0 }) / Double(r)
            for i in 0..<r where relevant[i] {
                sums.2 += Double(relevant[...i].count { $0 }) / Double(i + 1) / Double(r)
            }
        }
        let n = Double(asked)
        return (sums.0 / n, sums.1 / n, sums.2 / n, asked, without)
    }

    @Test(arguments: [(5, 9, 3, 2), (131, 1100, 9, 7), (40, 2050, 4, 3)], [true, false])
    func isWhatSortingFinds(
        _ size: (Int, Int, Int, Int), _ amongThemselves: Bool
    ) throws {
        let (count, rows, dimension, classes) = size
        let gallery = LabeledRows(
            random: amongThemselves ? min(rows, 400) : rows, dimension: dimension, classes: classes,
            seed: 1)
        let queries = LabeledRows(
            random: count, dimension: dimension, classes: classes + 1, seed: 2)
        let expected = reference(gallery, amongThemselves ? nil : queries)
        for threads in [1, 3] {
            let context = try ExecutionContext(threads: threads)
            let found = try gallery.with { rows, labels in
                amongThemselves
                    ? try retrieval(
                        gallery: rows, galleryLabels: labels, dimension: dimension, context: context
                    )
                    : try queries.with {
                        try retrieval(
                            gallery: rows, galleryLabels: labels, queries: $0, queryLabels: $1,
                            dimension: dimension, context: context)
                    }
            }
            #expect(
                found.queries == expected.asked && found.queriesWithoutMatch == expected.without)
            #expect(abs(found.precisionAt1 - expected.p1) < 1e-9)
            #expect(
                abs(found.rPrecision - expected.rp) < 1e-5
                    && abs(found.mapAtR - expected.map) < 1e-5)
        }
    }

    /// Checks the paper's example (§3.2): of R = 10, ranks 1, 9 and 10 are right, or all of the
    /// first three; P@1 is 1 for both.
    @Test(arguments: [([1, 9, 10], 0.3, 0.1 * (1 + 2.0 / 9 + 3.0 / 10)), ([1, 2, 3], 0.3, 0.3)])
    func theExampleOfThePaper(
        _ ranks: [Int], _ rPrecision: Double, _ mapAtR: Double
    ) throws {
        // The query points along x; rank i is i · 0.05 radians away. Seven more of its class lie
        // far behind.
        var rows: [Float] = [], labels: [Int64] = []
        for i in 1...20 {
            let angle = Double(i) * 0.05
            rows += [Float(1 - angle * angle / 2), Float(angle)]
            labels.append(ranks.contains(i) || i > 13 ? 1 : 0)
        }
        let query = LabeledRows(rows: [2, 0], labels: [1], dimension: 2)
        let found = try LabeledRows(rows: rows, labels: labels, dimension: 2).with {
            gallery, labels in
            try query.with {
                try retrieval(
                    gallery: gallery, galleryLabels: labels, queries: $0, queryLabels: $1,
                    dimension: 2)
            }
        }
        #expect(found.precisionAt1 == 1)
        #expect(abs(found.rPrecision - rPrecision) < 1e-12 && abs(found.mapAtR - mapAtR) < 1e-12)
    }

    @Test func refuses() throws {
        try LabeledRows(rows: [1, 0, 0, 1], labels: [-4, 9], dimension: 2).with { rows, labels in
            expectError(.argument, "no query") {
                _ = try retrieval(gallery: rows, galleryLabels: labels, dimension: 2)
            }
        }
        try LabeledRows(rows: [1, .nan, 0, 1], labels: [1, 1], dimension: 2).with { rows, labels in
            expectError(.argument, "gallery row 0", "nan") {
                _ = try retrieval(gallery: rows, galleryLabels: labels, dimension: 2)
            }
            expectError(.shape, "dimension", "0") {
                _ = try retrieval(gallery: rows, galleryLabels: labels, dimension: 0)
            }
        }
    }
}
