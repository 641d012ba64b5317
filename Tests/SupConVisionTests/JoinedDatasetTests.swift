import SupConTensor
import TestSupport
import Testing

@testable import SupConVision

/// Tests data sets whose images several ranks have in parts.
@Suite struct JoinedDatasetTests {
    /// Makes images of 2×2 pixels, all of the value `first` plus their index.
    static func part(
        _ labels: [Int]?, first: Int, count: Int, channels: Int = 1, side: Int = 2
    ) throws -> Dataset {
        let size = side * side * channels
        return try Dataset.callback(
            count: count, height: side, width: side, channels: channels, labels: labels
        ) { indices, pixels in
            for (i, index) in indices.enumerated() {
                (pixels + i * size).update(repeating: UInt8(first + index), count: size)
            }
            return true
        }
    }

    /// Joins one part per rank; each rank gives the labels of its images.
    static func joined(
        _ labels: [[Int]], _ change: @escaping (Int, Dataset) throws -> Dataset = { $1 }
    ) throws -> [Result<Dataset, any Error>] {
        let firsts = labels.indices.map { rank in labels[..<rank].reduce(0) { $0 + $1.count } }
        return ThreadCollectives.run(world: labels.count) { rank in
            let own = labels[rank.rank]
            let part = try Self.part(own, first: firsts[rank.rank], count: own.count)
            return try change(rank.rank, part).joined(over: rank)
        }
    }

    /// Checks that all ranks have the same lists, and each the pixels of its own images alone.
    @Test func eachRankReadsItsOwn() throws {
        let labels = [[5, 5, -7], [900], [-7, 5, 900, 5]]
        let all = labels.flatMap { $0 }
        let weights: [Float] = [1, 2, 3, 4, 5, 6, 7, 8]
        let bounds = [0..<3, 3..<4, 4..<8]
        let results = try Self.joined(labels) { rank, part in
            let own = bounds[rank]
            return try part.with(weights: Array(weights[own])).with(
                targets: Targets(own.flatMap { [Double($0), 0.5] }, dimension: 2))
        }
        for (rank, result) in results.enumerated() {
            let joined = try result.get()
            #expect(joined.count == 8 && joined.labels == all && joined.weights == weights)
            #expect(joined.classLabels == [-7, 5, 900] && joined.className(2) == "900")
            #expect(joined.targets?.values == (0..<8).flatMap { [Double($0), 0.5] })
            #expect(joined.height == 2 && joined.width == 2 && joined.path(0) == nil)
            #expect(joined.owners == [0, 0, 0, 1, 2, 2, 2, 2])
            let reader = ImageReader(joined)
            for image in 0..<8 {
                guard bounds[rank].contains(image) else {
                    expectError(.argument, "image \(image) of the joined data set is at rank") {
                        () throws(SupConError) in _ = try reader.open(image)
                    }
                    continue
                }
                let size = try reader.open(image)
                #expect(size.height == 2 && size.width == 2)
                let view = try reader.pixels(atLeast: 1)
                var pixels = [UInt8](repeating: 0, count: 4)
                try pixels.withUnsafeMutableBytes {
                    view.copyDense(to: try #require($0.baseAddress))
                }
                #expect(pixels == [UInt8](repeating: UInt8(image), count: 4))
            }
            // A subset keeps the owners; this rank's images need no other.
            let some = try joined.subset([7, 0, 3, 6])
            #expect(some.owners == [2, 0, 1, 2])
            let own = some.ownPart()
            #expect(own.labels == [[5], [900], [5, 900]][rank])
            #expect(own.classLabels == [-7, 5, 900] && own.owners == nil)
            #expect(own.weights == [[1], [4], [8, 7]][rank])
            let copy = try own.materialize(Array(0..<own.count))
            #expect(copy.count == own.count)
            #expect(try joined.materialize(Array(bounds[rank])).labels == labels[rank])
            expectError(.argument, "rank") { () throws(SupConError) in
                _ = try joined.materialize([0, 7])
            }
            #expect(own.ownPart() === own)
        }
    }

    /// Checks that classes with names are matched by them, whatever their labels.
    @Test func classesOfOneNameAreOne() throws {
        let names = [["oak", "ash"], ["elm", "oak", "fir"]]
        let results = try Self.joined([[0, 1, 1], [2, 0, 1, 1]]) { rank, part in
            try part.with(classNames: names[rank])
        }
        for result in results {
            let joined = try result.get()
            #expect((0..<4).map { joined.className($0) } == ["ash", "elm", "fir", "oak"])
            #expect(joined.labels == [3, 0, 0, 2, 1, 3, 3])
        }
        // The same classes stay in their order, and keep their labels.
        let same = try Self.joined([[40, 50], [50, 40]]) { _, part in
            try part.with(classNames: ["z", "a"])
        }
        for result in same {
            let joined = try result.get()
            #expect(joined.className(0) == "z" && joined.labels == [40, 50, 50, 40])
        }
    }

    /// Checks that parts that do not fit are refused at all ranks, with the rank's number.
    @Test func partsThatDoNotFitAreRefused() throws {
        func refused(
            _ words: String, _ kind: SupConError.Kind = .argument,
            _ change: @escaping (Int, Dataset) throws -> Dataset
        ) throws {
            for result in try Self.joined([[0, 1], [1, 0], [0, 0]], change) {
                expectError(kind, words) { try result.get() }
            }
        }
        try refused("the number of channels is 3 of the part of rank 1, and 1 of that of rank 0") {
            try $0 == 1 ? Self.part([1, 0], first: 0, count: 2, channels: 3) : $1
        }
        try refused("having labels is false of the part of rank 2") {
            try $0 == 2 ? $1.with(labels: nil) : $1
        }
        try refused("having weights is true of the part of rank 1") {
            try $0 == 1 ? $1.with(weights: [1, 2]) : $1
        }
        try refused("the number of targets per image is 2 of the part of rank 2") {
            try $0 == 2 ? $1.with(targets: Targets([1, 2, 3, 4], dimension: 2)) : $1
        }
        try refused("the classes of 2 of 3 parts have names") {
            try $0 == 1 ? $1 : $1.with(classNames: Array(["a", "b"].prefix($1.classes)))
        }
        // Sizes may differ.
        for result in try Self.joined(
            [[0], [1]],
            { try $0 == 1 ? Self.part([1], first: 0, count: 1, side: 3) : $1 })
        {
            let joined = try result.get()
            #expect(joined.height == nil && joined.medianSize == (2, 2))
        }
    }

    /// Checks that a part that cannot be made ends the others' calls.
    @Test func aFailureIsShared() throws {
        let results = ThreadCollectives.run(world: 3) { rank in
            try Dataset.joined(over: rank) { () throws(SupConError) in
                try require(rank.rank != 1, .io, "photos/ is not there")
                return try Dataset.callback(count: 2, height: 1, width: 1, channels: 1) {
                    _, _ in true
                }
            }
        }
        for result in results {
            expectError(.io, "rank 1 of 3: photos/ is not there") { try result.get() }
        }
    }

    /// Checks that one rank's images stay as they are.
    @Test func oneRankHasAll() throws {
        for result in try Self.joined([[3, 4]]) {
            let joined = try result.get()
            #expect(joined.owners == nil && joined.labels == [3, 4])
        }
    }

    /// Checks that each batch has each rank's images in its part, that an epoch has each image at
    /// most once, and that epochs differ.
    @Test(arguments: [0, 2]) func batchesAreOfEachRanksOwn(imagesPerClass: Int) throws {
        let counts = [8, 24, 16]
        let labels = counts.map { count in (0..<count).map { $0 % 8 } }
        let shares = [0..<4, 4..<16, 16..<24]
        let samplers = try Self.joined(labels).map { result in
            let joined = try result.get()
            let sampler = try BatchSampler(
                joined, batchSize: 24, imagesPerClass: imagesPerClass, seed: 5, shares: shares)
            return (joined, sampler)
        }
        let first = samplers[0]
        #expect(first.1.batchCount == 2)
        let owners = try #require(first.0.owners), classes = try #require(first.0.classIndices)
        var seen = Set<[[Int]]>()
        for epoch in 0..<6 {
            let batches = first.1.batches(epoch: epoch)
            #expect(samplers.allSatisfy { $0.1.batches(epoch: epoch) == batches })
            #expect(batches.count == 2 && batches.allSatisfy { $0.count == 24 })
            for batch in batches {
                for (rank, share) in shares.enumerated() {
                    #expect(batch[share].allSatisfy { owners[$0] == rank })
                    guard imagesPerClass > 0 else { continue }
                    for start in stride(from: share.lowerBound, to: share.upperBound, by: 2) {
                        #expect(classes[batch[start]] == classes[batch[start + 1]])
                    }
                }
            }
            if imagesPerClass == 0 { #expect(Set(batches.joined()).count == 48) }
            seen.insert(batches)
        }
        #expect(seen.count == 6)
        // Ranks of as many images do not draw alike.
        let twins = try Self.joined([labels[1], labels[1]])[0].get()
        let batch = try BatchSampler(
            twins, batchSize: 24, seed: 5, shares: [0..<12, 12..<24]
        ).batches(epoch: 0)[0]
        #expect(batch[..<12].map { $0 } != batch[12...].map { $0 - 24 })
        expectError(.state, "the part of rank 0: there are 8 images; expected at least one batch") {
            () throws(SupConError) in
            _ = try BatchSampler(
                first.0, batchSize: 24, seed: 5, shares: [0..<9, 9..<20, 20..<24])
        }
    }
}
