import Foundation
import SupConTensor
import TestSupport
import Testing

@testable import SupConVision

@Suite struct DatasetVariantTests {
    let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 4000)

    func dataset(_ labels: [Int]?) throws(SupConError) -> Dataset {
        bytes.update(repeating: 9, count: 4000)
        return try .images(
            ImageBatch(
                dense: bytes, element: .u8, count: labels?.count ?? 10, height: 2, width: 2,
                channels: 1), labels: labels)
    }
    func counts(_ set: Dataset) -> [Int: Int] {
        (set.labels ?? []).reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }

    @Test func labelNoise() throws {
        defer { bytes.deallocate() }
        let labels = (0..<900).map { [1, 4, 6][$0 % 3] }
        let clean = try dataset(labels)
        let noisy = try clean.withLabelNoise(rate: 0.4, seed: 3), changed = noisy.labels ?? []
        #expect(zip(labels, changed).count { $0 != $1 } == 360, "exactly the rate")
        #expect(
            Set(changed) == [1, 4, 6] && noisy.classLabels == [1, 4, 6] && clean.labels == labels)
        // Symmetric: each of the six ways to be wrong about as often (60 ± 5 σ).
        for (from, to) in [(1, 4), (1, 6), (4, 1), (4, 6), (6, 1), (6, 4)] {
            #expect(abs(zip(labels, changed).count { $0 == from && $1 == to } - 60) < 36)
        }
        #expect(try clean.withLabelNoise(rate: 0.4, seed: 3).labels == changed)
        #expect(try clean.withLabelNoise(rate: 0.4, seed: 4).labels != changed)
        #expect(try clean.withLabelNoise(rate: 0, seed: 3).labels == labels)
        #expect(
            try zip(labels, clean.withLabelNoise(rate: 1, seed: 3).labels ?? []).allSatisfy {
                $0 != $1
            })
        expectError(.argument, "rate is 1.1") { () throws(SupConError) in
            try clean.withLabelNoise(rate: 1.1, seed: 0)
        }
        expectError(.argument, "rate is nan") { () throws(SupConError) in
            try clean.withLabelNoise(rate: .nan, seed: 0)
        }
        expectError(.state, "no labels") { () throws(SupConError) in
            try dataset(nil).withLabelNoise(rate: 0.5, seed: 0)
        }
        expectError(.state, "1 class") { () throws(SupConError) in
            try dataset([2, 2]).withLabelNoise(rate: 0.5, seed: 0)
        }
    }

    @Test func fewerPerClass() throws {
        defer { bytes.deallocate() }
        let all = try dataset((0..<300).map { $0 < 10 ? 0 : 1 + $0 % 2 })
        let some = try all.limited(perClass: 20, seed: 5),
            fewer = try all.limited(perClass: 12, seed: 5)
        #expect(
            counts(some) == [0: 10, 1: 20, 2: 20] && counts(fewer) == [0: 10, 1: 12, 2: 12]
                && some.classes == 3)
        let picks = some.picks ?? []
        #expect(picks == picks.sorted() && Set(fewer.picks ?? []).isSubset(of: picks))
        #expect(try all.limited(perClass: 20, seed: 6).picks != picks)
        #expect(try all.limited(perClass: .max, seed: 6).count == 300)
        expectError(.argument, "0 images per class") { () throws(SupConError) in
            try all.limited(perClass: 0, seed: 0)
        }
        expectError(.state, "no labels") { () throws(SupConError) in
            try dataset(nil).limited(perClass: 3, seed: 0)
        }
    }

    /// Compares with Cui et al.'s code: int(largest · (1/factor)^(class / (classes − 1))).
    @Test func longTail() throws {
        defer { bytes.deallocate() }
        let all = try dataset((0..<1000).map { $0 % 10 })
        #expect(
            try counts(all.longTailed(factor: 10, seed: 1))
                == Dictionary(
                    uniqueKeysWithValues: (0..<10).map {
                        ($0, Int(100 * pow(0.1, Double($0) / 9) + 1e-9))
                    }))
        let tail = try counts(all.longTailed(factor: 100, seed: 1))
        #expect(tail[0] == 100 && tail[9] == 1 && tail.count == 10)
        #expect(try counts(all.longTailed(factor: 1e9, seed: 1))[9] == 1, "no class is lost")
        #expect(try all.longTailed(factor: 1, seed: 1).count == 1000)
        // A class keeps at most what it has.
        let uneven = try dataset((0..<60).map { $0 < 50 ? 0 : $0 < 54 ? 1 : 2 })
        #expect(try counts(uneven.longTailed(factor: 25, seed: 1)) == [0: 50, 1: 4, 2: 2])
        expectError(.argument, "0.5") { () throws(SupConError) in
            try all.longTailed(factor: 0.5, seed: 1)
        }
        expectError(.argument, "inf") { () throws(SupConError) in
            try all.longTailed(factor: .infinity, seed: 1)
        }
    }

    @Test func otherLabelsAndNames() throws {
        defer { bytes.deallocate() }
        let plain = try dataset([0, 1, 0])
        let named = try plain.with(classNames: ["cat", "dog", "no image"])
        #expect(
            named.classes == 3 && named.className(1) == "dog" && named.className(3) == nil
                && named.labels == [0, 1, 0])
        #expect(
            try named.subset([1]).className(0) == "cat"
                && named.withLabelNoise(rate: 1, seed: 0).className(0) == "cat")
        let other = try named.with(labels: [4, 4, 2])
        #expect(other.classLabels == [2, 4] && other.className(1) == "4")
        #expect(other.classIndices == [1, 1, 0])
        #expect(try named.with(labels: nil).labels == nil && named.with(labels: nil).classes == 0)
        expectError(.shape, "1 names for 2 classes") { () throws(SupConError) in
            try plain.with(classNames: ["cat"])
        }
        expectError(.state, "no labels") { () throws(SupConError) in
            try dataset(nil).with(classNames: ["cat"])
        }
        expectError(.shape, "2 labels for 3") { () throws(SupConError) in
            try plain.with(labels: [1, 2])
        }
    }

    /// Checks that labels are ids: any integers, whose classes are the distinct ones, ascending.
    @Test func labelsAreAnyIntegers() throws {
        defer { bytes.deallocate() }
        let ids = [1_000_000_000_000, .min, 3, .max, 3, -1]
        let labels = (0..<300).map { ids[$0 % 6] }
        let all = try dataset(labels)
        #expect(all.classLabels == [.min, -1, 3, 1_000_000_000_000, .max] && all.classes == 5)
        #expect(all.labels == labels && all.className(3) == "1000000000000")
        #expect(all.className(0) == "\(Int.min)" && all.className(5) == nil)
        let indices = try #require(all.classIndices)
        #expect(zip(labels, indices).allSatisfy { all.classLabels[$1] == $0 })

        // Ids in order are as good as the numbers 0, 1, …: the same images everywhere.
        let numbers = try dataset(indices)
        #expect(numbers.classIndices == indices && numbers.classLabels == [0, 1, 2, 3, 4])
        let (a, b) = (
            try all.split(fraction: 0.3, seed: 4), try numbers.split(fraction: 0.3, seed: 4)
        )
        #expect(a.first.picks == b.first.picks && a.second.classLabels == all.classLabels)
        #expect(
            try all.limited(perClass: 7, seed: 1).picks
                == numbers.limited(perClass: 7, seed: 1)
                .picks)
        #expect(
            try all.withLabelNoise(rate: 0.5, seed: 2).classIndices
                == numbers.withLabelNoise(rate: 0.5, seed: 2).labels)
        #expect(
            try BatchSampler(all, batchSize: 20, imagesPerClass: 4, seed: 1).batches(epoch: 1)
                == BatchSampler(numbers, batchSize: 20, imagesPerClass: 4, seed: 1)
                .batches(epoch: 1))

        // A part keeps the classes of the whole.
        let part = try all.subset([2, 8])
        #expect(part.classes == 5 && part.classIndices == [2, 2] && part.className(2) == "3")
        // One name each, in order; more are indexed by labels, which ids are not.
        #expect(try all.with(classNames: ["a", "b", "c", "d", "e"]).className(3) == "d")
        expectError(.shape, "6 names", "\(Int.min)", "0 to 5") { () throws(SupConError) in
            try all.with(classNames: ["a", "b", "c", "d", "e", "f"])
        }
        let sparse = try dataset((0..<300).map { $0 % 2 * 2 })
        let named = try sparse.with(classNames: ["a", "b", "c"])
        #expect(named.classLabels == [0, 1, 2] && named.className(2) == "c")
    }
}
