import SupConTensor
import TestSupport
import Testing

@testable import SupConEvaluation

@Suite struct NearestTests {
    struct Found: Equatable {
        var indices: [Int64]
        var similarities: [Float]
    }

    func find(
        _ gallery: LabeledRows, _ queries: LabeledRows?, k: Int, normalize: Bool = true,
        threads: Int = 2
    ) throws -> Found {
        let count = queries?.count ?? gallery.count
        var found = Found(
            indices: Array(repeating: -1, count: count * max(k, 1)),
            similarities: Array(repeating: -7, count: count * max(k, 1)))
        try found.indices.withUnsafeMutableBufferPointer { indices in
            let indices = try #require(indices.baseAddress)
            try found.similarities.withUnsafeMutableBufferPointer { similarities in
                let similarities = try #require(similarities.baseAddress)
                try gallery.with { rows, _ in
                    func call(_ asked: UnsafePointer<Float>?) throws {
                        try nearest(
                            gallery: rows, count: gallery.count, queries: asked, queryCount: count,
                            dimension: gallery.dimension,
                            options: NearestOptions(k: k, normalize: normalize), indices: indices,
                            similarities: similarities,
                            context: try ExecutionContext(threads: threads))
                    }
                    if let queries {
                        try queries.with { asked, _ in try call(asked) }
                    } else {
                        try call(nil)
                    }
                }
            }
        }
        return found
    }

    /// Returns all products in f64, sorted.
    func expected(
        _ query: [Double], _ gallery: [[Double]], but own: Int?
    ) -> [(index: Int, similarity: Double)] {
        gallery.indices.filter { $0 != own }.map { ($0, dot(query, gallery[$0])) }
            .sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    }

    /// Tests sizes around those of the tiles (8 and 128 queries, 1024 rows), k from 1 to all, and
    /// one thread or several, which divide the gallery among themselves.
    @Test(
        arguments: [
            (1, 5000, 33, 10), (8, 2049, 5, 3), (9, 3000, 17, 1), (130, 1100, 9, 20),
            (3, 1025, 2, 1025),
            (1, 1, 1, 1),
        ], [true, false]) func findsWhatSortingFinds(
            _ size: (queries: Int, rows: Int, dimension: Int, k: Int), _ normalize: Bool
        ) throws
    {
        let (queries, k) = (size.queries, size.k)
        let gallery = LabeledRows(
            random: size.rows, dimension: size.dimension, classes: 4, seed: 1)
        let test = LabeledRows(random: queries, dimension: size.dimension, classes: 4, seed: 2)
        func row(_ rows: LabeledRows, _ i: Int) -> [Double] {
            normalize
                ? rows.unit(i)
                : rows.rows[i * rows.dimension..<(i + 1) * rows.dimension].map(Double.init)
        }
        let all = (0..<gallery.count).map { row(gallery, $0) }
        let found = try find(gallery, test, k: k, normalize: normalize)
        for threads in [1, 3, 7] {
            let again = try find(gallery, test, k: k, normalize: normalize, threads: threads)
            #expect(again == found, "with \(threads) threads")
        }
        for query in 0..<queries {
            let unit = row(test, query)
            let sorted = expected(unit, all, but: nil)
            let own = (0..<k).map { Int(found.indices[query * k + $0]) }
            #expect(Set(own).count == k)
            for i in 0..<k {
                let similarity = Double(found.similarities[query * k + i])
                let scale = normalize ? 1 : 1 + abs(similarity)
                #expect(abs(similarity - dot(unit, all[own[i]])) < 1e-6 * scale)
                // Only what f32 cannot tell apart may change places.
                #expect(abs(similarity - sorted[i].similarity) < 2e-6 * scale, "neighbor \(i)")
            }
        }
    }

    /// Tests copies of one row at every position of a tile and in every thread's part of the
    /// gallery, for few queries and for many: the lowest indices are found, in order.
    @Test(arguments: [1, 20], [1, 2, 5]) func equalRowsComeInTheirOrder(
        _ queries: Int, _ threads: Int
    ) throws {
        let dimension = 37
        var gallery = LabeledRows(random: 4001, dimension: dimension, classes: 1, seed: 3)
        let copies = stride(from: 13, to: 4001, by: 41).map { $0 } + [4000]
        let one = gallery.rows[13 * dimension..<14 * dimension].map { $0 }
        for copy in copies {
            gallery.rows.replaceSubrange(copy * dimension..<(copy + 1) * dimension, with: one)
        }
        let asked = LabeledRows(
            rows: Array((0..<queries).map { _ in one }.joined()),
            labels: Array(repeating: 0, count: queries), dimension: dimension)
        for k in [1, 10, copies.count] {
            let found = try find(gallery, asked, k: k, threads: threads)
            for query in 0..<queries {
                #expect(
                    found.indices[query * k..<(query + 1) * k].map { Int($0) }
                        == Array(copies.prefix(k)))
            }
            #expect(found.similarities.allSatisfy { $0 == 1 })
        }
    }

    @Test func rowsLookForTheOthers() throws {
        let rows = LabeledRows(random: 1500, dimension: 6, classes: 3, seed: 4)
        let units = (0..<rows.count).map { rows.unit($0) }
        let found = try find(rows, nil, k: 4)
        for query in stride(from: 0, to: rows.count, by: 97) {
            let sorted = expected(units[query], units, but: query)
            for i in 0..<4 {
                #expect(found.indices[query * 4 + i] != Int64(query))
                #expect(
                    abs(Double(found.similarities[query * 4 + i]) - sorted[i].similarity) < 1e-6)
            }
        }
    }

    @Test func aRowOfZerosIsAtRightAngles() throws {
        let gallery = LabeledRows(rows: [0, 0, 0, -2, 0, 5], labels: [0, 0, 0], dimension: 2)
        let found = try find(
            gallery, LabeledRows(rows: [0, 3], labels: [0], dimension: 2), k: 3)
        #expect(found == Found(indices: [2, 0, 1], similarities: [1, 0, -1]))
    }

    /// Checks that an element of an unchecked gallery that is not finite is found, wherever it is.
    @Test(arguments: [Float.nan, .infinity, -.infinity], [0, 57, 2999]) func refusesBadRows(
        _ value: Float, _ row: Int
    ) throws {
        var gallery = LabeledRows(random: 3000, dimension: 4, classes: 2, seed: 5)
        let asked = LabeledRows(random: 1, dimension: 4, classes: 2, seed: 6)
        // Of the sign that makes −infinity the nearest; as the farthest it would be no neighbor.
        gallery.rows[row * 4 + 2] = asked.rows[2] < 0 && value == -.infinity ? value : abs(value)
        if asked.rows[2] < 0 && value == .infinity { gallery.rows[row * 4 + 2] = -value }
        expectError(.argument, "gallery row \(row)", "finite") {
            _ = try find(gallery, asked, k: 5, normalize: false)
        }
        expectError(.argument, "gallery row \(row)", "finite") {
            _ = try find(gallery, asked, k: 5)
        }
        expectError(.argument, "gallery row 0") {
            _ = try find(
                LabeledRows(rows: [3e38, 3e38], labels: [0], dimension: 2),
                LabeledRows(rows: [3e38, 3e38], labels: [0], dimension: 2), k: 1, normalize: false)
        }
    }

    @Test func refusesK() throws {
        let rows = LabeledRows(random: 5, dimension: 2, classes: 2, seed: 1)
        expectError(.argument, "k is 6", "1 to 5") { _ = try find(rows, rows, k: 6) }
        expectError(.argument, "k is 5", "1 to 4") { _ = try find(rows, nil, k: 5) }
        expectError(.argument, "k is 0") { _ = try find(rows, rows, k: 0) }
        expectError(.argument, "k is -1") { _ = try find(rows, rows, k: -1) }
    }
}
