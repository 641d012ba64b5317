import Foundation
import SupConLoss
import SupConTensor
import Testing

@Suite struct PositiveMaskTests {
    private let context = try! ExecutionContext(threads: 2)

    private func mask(_ labels: [[UInt8]], _ rule: PositiveMasks.Rule) throws -> [Float] {
        var mask = [Float](repeating: -7, count: labels.count * labels.count)
        try PositiveMasks.fill(
            &mask, multilabel: labels.flatMap { $0 }, samples: labels.count, count: labels[0].count,
            rule: rule, context: context)
        return mask
    }

    @Test func smallMultilabelCasesByHand() throws {
        let labels: [[UInt8]] = [[1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]]
        #expect(try mask(labels, .any) == [1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 1])
        #expect(try mask(labels, .all) == [1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1])
        #expect(
            try mask(labels, .jaccard) == [1, 0.5, 1, 0, 0.5, 1, 0.5, 0, 1, 0.5, 1, 0, 0, 0, 0, 1])
    }

    /// Compares the masks with Swift's sets, for more than one word of labels.
    @Test(arguments: PositiveMasks.Rule.allCases)
    func agreesWithSets(_ rule: PositiveMasks.Rule) throws {
        var random = Philox(seed: 2, purpose: .test)
        var labels = (0..<40).map { _ in
            (0..<150).map { _ in UInt8(random.uniform() < 0.01 ? 1 : 0) }
        }
        labels[7] = labels[30]
        let sets = labels.map { row in Set(row.indices.filter { row[$0] == 1 }) }
        let found = try mask(labels, rule)
        for i in 0..<40 {
            for j in 0..<40 where i != j {
                let (shared, either) = (
                    sets[i].intersection(sets[j]).count, sets[i].union(sets[j]).count
                )
                let expected: Float =
                    switch rule {
                    case .any: shared > 0 ? 1 : 0
                    case .all: sets[i] == sets[j] && !sets[i].isEmpty ? 1 : 0
                    case .jaccard: either == 0 ? 0 : Float(shared) / Float(either)
                    }
                #expect(found[i * 40 + j] == expected)
            }
        }
    }

    /// Checks that with one label per sample the mask equals the labels, and so does the loss.
    @Test func oneLabelASampleIsPlainSupCon() throws {
        let classes = Case.labels(30, classes: 4).map { ($0 + 5) / 1_000_000_007 }
        for rule in PositiveMasks.Rule.allCases {
            let found = try mask(classes.map { own in (0..<4).map { $0 == own ? 1 : 0 } }, rule)
            var it = Case(samples: 30, views: 2, dimension: 5, pairs: .labels(classes))
            let byLabels = try it.run(it.features())
            it.pairs = .mask(found)
            #expect(abs(try it.run(it.features()).result.loss - byLabels.result.loss) < 1e-6)
        }
    }

    @Test func gaussianOfValues() throws {
        let values: [Double] = [0, 1, 3, 100, 1, 5, 3, 100]  // 4 samples of 2
        var mask = [Float](repeating: -7, count: 16)
        try PositiveMasks.fill(
            &mask, values: values, samples: 4, count: 2, bandwidth: 2, context: context)
        for i in 0..<4 {
            for j in 0..<4 {
                let squares =
                    pow(values[2 * i] - values[2 * j], 2)
                    + pow(values[2 * i + 1] - values[2 * j + 1], 2)
                #expect(abs(mask[i * 4 + j] - Float(exp(-squares / 8))) < 1e-7)
            }
        }
        #expect(mask[1] == 0 && mask[5] == 1)  // far apart: a negative
    }

    @Test func badInputIsRefused() {
        func refused(
            _ kind: SupConError.Kind, _ word: String,
            _ body: (UnsafeMutablePointer<Float>) throws -> Void
        ) {
            var mask = [Float](repeating: -7, count: 16)
            let error = #expect(throws: SupConError.self) { try body(&mask) }
            #expect(
                error?.kind == kind && error?.message.contains(word) == true,
                "\(error.map { "\($0)" } ?? "")")
            #expect(mask.allSatisfy { $0 == -7 })
        }
        refused(.argument, "label 1 of sample 0 is 2") {
            try PositiveMasks.fill(
                $0, multilabel: [1, 2, 0, 1], samples: 2, count: 2, rule: .any, context: context)
        }
        refused(.shape, "[0, 3]") {
            try PositiveMasks.fill(
                $0, multilabel: [1], samples: 0, count: 3, rule: .any, context: context)
        }
        refused(.shape, "addressed") {
            try PositiveMasks.fill(
                $0, multilabel: [1], samples: 1 << 40, count: 1, rule: .any, context: context)
        }
        refused(.argument, "bandwidth is 0") {
            try PositiveMasks.fill(
                $0, values: [1, 2], samples: 2, count: 1, bandwidth: 0, context: context)
        }
        refused(.argument, "bandwidth is nan") {
            try PositiveMasks.fill(
                $0, values: [1, 2], samples: 2, count: 1, bandwidth: .nan, context: context)
        }
        refused(.argument, "value 0 of sample 1") {
            try PositiveMasks.fill(
                $0, values: [1, .infinity], samples: 2, count: 1, bandwidth: 1, context: context)
        }
    }
}
