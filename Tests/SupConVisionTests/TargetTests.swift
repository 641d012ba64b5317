import SupConTensor
import TestSupport
import Testing

@testable import SupConVision

@Suite struct TargetTests {
    let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 4000)

    /// Makes a data set in which image i has the targets (i, 1 / (i + 1)).
    func dataset(_ labels: [Int]?, count: Int = 40) throws(SupConError) -> Dataset {
        bytes.update(repeating: 9, count: 4000)
        let values = (0..<count).flatMap { [Double($0), 1 / Double($0 + 1)] }
        return try Dataset.images(
            ImageBatch(dense: bytes, element: .u8, count: count, height: 2, width: 2, channels: 1),
            labels: labels
        )
        .with(targets: Targets(values, dimension: 2))
    }

    /// Checks that each image of `part` has the targets of the original image.
    func expectKept(
        _ part: Dataset, _ picks: [Int], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(
            part.targets?.dimension == 2
                && part.targets?.values == picks.flatMap { [Double($0), 1 / Double($0 + 1)] },
            sourceLocation: sourceLocation)
    }

    /// Checks that fingerprints distinguish values like 0 and 1, which differ in few, high bits:
    /// all of 4096 sets of twelve have different ones.
    @Test func haveAFingerprint() throws {
        defer { bytes.deallocate() }
        let plain = try dataset([1, 2, 3, 4], count: 4)
        var found: Set<UInt64> = []
        for bits in 0..<4096 {
            let targets = try Targets((0..<12).map { Double(bits >> $0 & 1) }, dimension: 3)
            found.insert(try plain.with(targets: targets).labelFingerprint(withTargets: true))
        }
        #expect(found.count == 4096)
        let bare = try plain.with(targets: nil)
        #expect(
            plain.labelFingerprint(withTargets: false) == bare.labelFingerprint(withTargets: true))
        #expect(
            try bare.labelFingerprint(withTargets: false)
                != bare.with(labels: [1, 2, 4, 3]).labelFingerprint(withTargets: false))
    }

    @Test func areRefusedWhereThereIsNoRoom() throws {
        defer { bytes.deallocate() }
        let wide = try dataset(nil, count: 4).with(
            targets: Targets([Double](repeating: 0, count: 4 << 20), dimension: 1 << 20))
        let error = #expect(throws: SupConError.self) {
            try wide.subset(Array(repeating: 1, count: 1 << 20))
        }
        #expect(
            error?.kind == .memory && error?.message.contains("targets of 1048576 images") == true,
            "\(error?.message ?? "")")
    }

    @Test func stayWithTheirImages() throws {
        defer { bytes.deallocate() }
        let all = try dataset((0..<40).map { $0 % 4 })
        expectKept(all, Array(0..<40))
        expectKept(try all.subset([7, 3, 7]), [7, 3, 7])
        expectKept(try all.subset([30, 20, 10]).subset([2, 0]), [10, 30])
        expectKept(try all.materialize([5, 0]), [5, 0])
        for part in [
            try all.limited(perClass: 3, seed: 1), try all.longTailed(factor: 5, seed: 2),
            try all.split(fraction: 0.3, seed: 3).first,
        ] {
            #expect(part.count < 40)
            expectKept(part, part.picks ?? [])
        }
        for same in [
            try all.with(labels: nil), try all.with(classNames: ["a", "b", "c", "d"]),
            try all.withLabelNoise(rate: 0.5, seed: 1),
            try all.corrupted(.fog, severity: 2, seed: 0),
            try all.corrupted(.fog, severity: 2, seed: 0, size: (4, 4)).with(labels: nil),
        ] { expectKept(same, Array(0..<40)) }
        #expect(
            try all.with(targets: nil).targets == nil && all.with(targets: nil).labels == all.labels
                && all.with(targets: nil).subset([1]).targets == nil)
    }

    @Test func splitsAtRandomWithoutLabels() throws {
        defer { bytes.deallocate() }
        let all = try dataset(nil)
        let (first, second) = try all.split(fraction: 0.25, seed: 6)
        #expect(second.count == 10 && first.count == 30 && first.labels == nil)
        expectKept(first, first.picks ?? [])
        expectKept(second, second.picks ?? [])
        #expect(
            Set((first.picks ?? []) + (second.picks ?? [])) == Set(0..<40)
                && second.picks != Array(30..<40))
    }

    @Test func badOnesAreRefused() throws {
        defer { bytes.deallocate() }
        let all = try dataset(nil)
        expectError(.shape, "3 rows of targets for 40 images") { () throws(SupConError) in
            _ = try all.with(targets: Targets([1, 2, 3], dimension: 1))
        }
        expectError(.shape, "3 numbers for targets of dimension 2") { () throws(SupConError) in
            _ = try Targets([1, 2, 3], dimension: 2)
        }
        expectError(.shape, "dimension 0") { () throws(SupConError) in
            _ = try Targets([], dimension: 0)
        }
        expectError(.argument, "target 1 of image 2 is nan") { () throws(SupConError) in
            _ = try Targets([1, 2, 3, 4, 5, .nan], dimension: 2)
        }
        expectError(.argument, "target 0 of image 0 is -inf") { () throws(SupConError) in
            _ = try Targets([-.infinity], dimension: 1)
        }
    }
}
