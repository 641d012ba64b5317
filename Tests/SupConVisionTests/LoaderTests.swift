import Foundation
import SupConTensor
import TestSupport
import Testing

@testable import SupConVision

@Suite struct LoaderTests {
    static let (side, size, views) = (20, 12, 2)
    static let mean: [Float] = [0.5, 0.4, 0.3], std: [Float] = [0.2, 0.25, 0.3]
    static let perView = size * size * 3

    static func pixels(_ count: Int) -> [UInt8] {
        (0..<count).flatMap { testImage(side, side, 3, seed: 100 + $0) }
    }

    static func memoryDataset(_ count: Int) throws -> Dataset {
        try pixels(count).withUnsafeBytes {
            try Dataset.images(
                ImageBatch(
                    dense: $0.baseAddress!, element: .u8, count: count, height: side, width: side,
                    channels: 3), labels: nil,
                options: DatasetOptions(copies: true))
        }
    }

    static func loader(
        _ dataset: Dataset, _ options: AugmentationOptions = .defaults(), views: Int = views,
        seed: UInt64 = 5, threads: Int = 2, batchSize: Int = 8,
        size: Int = size
    ) throws(SupConError) -> Loader {
        try Loader(
            dataset, options, views: views, height: size, width: size, mean: mean, std: std,
            seed: seed, threads: threads, batchSize: batchSize)
    }

    static func contents(_ loader: Loader, _ batch: LoadedBatch, perView: Int = perView) -> [Float]
    {
        Array(
            UnsafeBufferPointer(
                start: batch.pixels, count: batch.indices.count * loader.views * perView))
    }

    /// Makes one view directly.
    static func direct(_ index: Int, epoch: Int, view: Int, seed: UInt64 = 5) throws -> [Float] {
        let augmentation = try Augmentation(.defaults(), height: size, width: size, channels: 3)
        var out = [Float](repeating: 0, count: perView)
        try withView(testImage(side, side, 3, seed: 100 + index), side, side, 3) { image in
            try out.withUnsafeMutableBufferPointer {
                try augmentation.apply(
                    image, seed: seed, epoch: epoch, sample: index, view: view,
                    Normalization(mean: mean, std: std), workspace: AugmentationWorkspace(),
                    into: $0.baseAddress!)
            }
        }
        return out
    }

    @Test(arguments: [1, 2, 5]) func givesWhatAugmentationGives(_ threads: Int) throws {
        let dataset = try Self.memoryDataset(50)
        let loader = try Self.loader(dataset, threads: threads)
        let sampler = try BatchSampler(dataset, batchSize: 8, seed: 1)
        for epoch in [0, 3] {
            let batches = sampler.batches(epoch: epoch)
            try loader.begin(epoch: epoch, batches: batches)
            for (number, indices) in batches.enumerated() {
                #expect(loader.remaining == batches.count - number)
                let batch = try loader.next()
                #expect(batch.indices == indices)
                let expected = try indices.flatMap { index in
                    try (0..<Self.views).flatMap { try Self.direct(index, epoch: epoch, view: $0) }
                }
                #expect(Self.contents(loader, batch) == expected)
            }
            expectError(.state, "all 6 batches have been taken") { () throws(SupConError) in
                try loader.next()
            }
        }
    }

    /// Checks that a batch stays unchanged while later ones are made, until the next `next()`.
    @Test func aBatchStaysUntilTheNext() throws {
        let loader = try Self.loader(Self.memoryDataset(64))
        try loader.begin(epoch: 0, batches: (0..<8).map { b in (0..<8).map { b * 8 + $0 } })
        for _ in 0..<8 {
            let batch = try loader.next()
            let before = Self.contents(loader, batch)
            usleep(5000)
            #expect(Self.contents(loader, batch) == before)
        }
    }

    @Test func beginningInTheMiddleGivesTheSame() throws {
        let labels = (0..<30).map { $0 < 2 ? 0 : 1 + $0 % 4 }  // a class of two images: repetitions
        let dataset = try Self.pixels(30).withUnsafeBytes {
            try Dataset.images(
                ImageBatch(
                    dense: $0.baseAddress!, element: .u8, count: 30, height: Self.side,
                    width: Self.side, channels: 3), labels: labels,
                options: DatasetOptions(copies: true))
        }
        let batches = try BatchSampler(dataset, batchSize: 8, imagesPerClass: 4, seed: 3).batches(
            epoch: 6)
        let whole = try Self.loader(dataset)
        try whole.begin(epoch: 6, batches: batches)
        let all = try batches.map { _ in try Self.contents(whole, whole.next()) }
        for first in 0..<3 {
            let loader = try Self.loader(dataset, threads: 1)
            try loader.begin(epoch: 6, batches: batches, from: first)
            for number in first..<batches.count {
                #expect(try Self.contents(loader, loader.next()) == all[number])
            }
        }
    }

    @Test func repetitionsGetViewsOfTheirOwn() throws {
        let loader = try Self.loader(Self.memoryDataset(3))
        try loader.begin(epoch: 2, batches: [[1, 1, 0], [1, 2]])
        let first = try Self.contents(loader, loader.next())
        let second = try Self.contents(loader, loader.next())
        let expected = try [(1, 0), (1, 1), (1, 2), (1, 3), (0, 0), (0, 1)].flatMap {
            try Self.direct($0.0, epoch: 2, view: $0.1)
        }
        #expect(first == expected)
        #expect(
            try second
                == [(1, 4), (1, 5), (2, 0), (2, 1)].flatMap {
                    try Self.direct($0.0, epoch: 2, view: $0.1)
                })
    }

    /// Checks that a callback is called only on this thread, one batch ahead, and that the results
    /// equal those of images in memory.
    @Test func callbacksAreAskedOnThisThread() throws {
        final class Calls { var indices: [[Int]] = []; var threads = Set<UInt>() }
        let calls = Calls()
        let dataset = try Dataset.callback(
            count: 40, height: Self.side, width: Self.side, channels: 3
        ) { indices, pixels in
            calls.indices.append(indices)
            calls.threads.insert(UInt(pthread_self()))
            for (place, index) in indices.enumerated() {
                for (i, byte) in testImage(Self.side, Self.side, 3, seed: 100 + index).enumerated()
                { pixels[place * Self.side * Self.side * 3 + i] = byte }
            }
            return true
        }
        let loader = try Self.loader(dataset)
        let batches = try BatchSampler(dataset, batchSize: 8, seed: 1).batches(epoch: 1)
        try loader.begin(epoch: 1, batches: batches)
        #expect(calls.indices.isEmpty)
        for (number, indices) in batches.enumerated() {
            let batch = try loader.next()
            #expect(calls.indices == Array(batches[...min(number + 1, batches.count - 1)]))
            #expect(
                try Self.contents(loader, batch)
                    == indices.flatMap { index in
                        try (0..<2).flatMap { try Self.direct(index, epoch: 1, view: $0) }
                    })
        }
        #expect(calls.threads == [UInt(pthread_self())])
    }

    @Test func aCallbackThatStopsIsCanceled() throws {
        var left = 2
        let dataset = try Dataset.callback(count: 40, height: 4, width: 4, channels: 3) { _, _ in
            left -= 1
            return left >= 0
        }
        let loader = try Self.loader(dataset)
        try loader.begin(epoch: 0, batches: (0..<5).map { b in (0..<8).map { b * 8 + $0 } })
        _ = try loader.next()
        expectError(.canceled) { () throws(SupConError) in try loader.next() }
        expectError(.canceled) { () throws(SupConError) in try loader.next() }
        left = 100
        try loader.begin(epoch: 0, batches: [[0, 1]])
        #expect(try loader.next().indices == [0, 1])
    }

    /// Tests a file that becomes unreadable where that is an error: the error names it, comes with
    /// its batch, and a new `begin` without it works.
    @Test func errorsReachTheUser() throws {
        let folder = try TemporaryFolder()
        for i in 0..<6 { try folder.copy("rgb444.jpg", to: "\(i).jpg") }
        let dataset = try Dataset.files(
            (0..<6).map { folder.path("\($0).jpg") }, options: DatasetOptions(onError: .refuse))
        try folder.write("3.jpg", [1, 2, 3])
        try folder.write("4.jpg", [1, 2, 3])
        for threads in [1, 3] {
            let loader = try Self.loader(dataset, threads: threads, batchSize: 2)
            try loader.begin(epoch: 0, batches: [[0, 1], [4, 3], [2, 5]])
            #expect(try loader.next().indices == [0, 1])
            // The first in the batch, whichever thread was faster.
            expectError(.format, "4.jpg") { () throws(SupConError) in try loader.next() }
            expectError(.format, "4.jpg") { () throws(SupConError) in try loader.next() }
            try loader.begin(epoch: 0, batches: [[2, 5]])
            #expect(try loader.next().indices == [2, 5])
        }
        try FileManager.default.removeItem(atPath: folder.path("5.jpg"))
        let loader = try Self.loader(dataset, batchSize: 2)
        try loader.begin(epoch: 0, batches: [[5]])
        expectError(.io, "5.jpg") { () throws(SupConError) in try loader.next() }
    }

    /// Checks that JPEGs do not depend on the threads, and, decoded smaller, nearly equal those
    /// decoded in full.
    @Test func photographsAreDecodedAsSmallAsTheCropAllows() throws {
        let dataset = try Dataset.files([
            Fixtures.path("large.jpg"), Fixtures.path("rgb420.jpg"),
            Fixtures.path("orientation6.jpg"),
        ])
        var results: [[Float]] = []
        for threads in [1, 3] {
            let loader = try Self.loader(dataset, threads: threads, batchSize: 3)
            try loader.begin(epoch: 0, batches: [[0, 1, 2]])
            results.append(try Self.contents(loader, loader.next()))
        }
        #expect(results[0] == results[1])
        let augmentation = try Augmentation(
            .defaults(), height: Self.size, width: Self.size, channels: 3)
        let reader = ImageReader(dataset)
        for sample in 0..<3 {
            _ = try reader.open(sample)
            let image = try reader.pixels(atLeast: 1)
            for view in 0..<2 {
                var out = [Float](repeating: 0, count: Self.perView)
                try out.withUnsafeMutableBufferPointer {
                    try augmentation.apply(
                        image, seed: 5, epoch: 0, sample: sample, view: view,
                        Normalization(mean: Self.mean, std: Self.std),
                        workspace: AugmentationWorkspace(),
                        into: $0.baseAddress!)
                }
                let loaded = results[0][
                    ((sample * 2 + view) * Self.perView)..<((sample * 2 + view + 1) * Self.perView)]
                let difference =
                    zip(out, loaded).reduce(0) { $0 + abs($1.0 - $1.1) } / Float(Self.perView)
                // In deviations: 0.02 of the pixels' range.
                #expect(difference < 0.1, "sample \(sample), view \(view)")
            }
        }
    }

    /// Checks that loaders that are dropped at any moment end their threads and do not hang. The
    /// limit is far above the minute or two that this takes beside all other tests.
    @Test(.timeLimit(.minutes(15))) func stoppingEarlyEnds() throws {
        func threadCount() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
        }
        let dataset = try Self.memoryDataset(64)
        let batches = (0..<8).map { b in (0..<8).map { b * 8 + $0 } }
        let before = try threadCount()
        for round in 0..<60 {
            let loader = try Self.loader(dataset, threads: 4)
            if round % 4 == 0 { continue }
            try loader.begin(epoch: round, batches: batches)
            if round % 4 == 1 { continue }
            let batch = try loader.next()
            #expect(batch.indices == batches[0])
            if round % 4 == 2 { continue }
            // While the first is still being made.
            try loader.begin(epoch: round + 1, batches: batches.reversed())
            #expect(try loader.next().indices == batches[7])
        }
        // Other tests run beside this one: what counts is that 240 threads are not still there.
        #expect(try threadCount() < before + 100)
    }

    @Test func refusesWhatCannotBe() throws {
        let dataset = try Self.memoryDataset(4)
        expectError(.argument, "views is 0; expected 1 to 255") { () throws(SupConError) in
            try Self.loader(dataset, views: 0)
        }
        expectError(.argument, "loader threads is 0; expected 1 to 1024") {
            () throws(SupConError) in try Self.loader(dataset, threads: 0)
        }
        expectError(.argument, "batch_size is -1; expected 1 or more") { () throws(SupConError) in
            try Self.loader(dataset, batchSize: -1)
        }
        expectError(.memory, "larger than memory") { () throws(SupConError) in
            try Self.loader(dataset, batchSize: .max)
        }
        expectError(.memory, "needs") { () throws(SupConError) in
            try Self.loader(dataset, batchSize: 1 << 36)
        }
        expectError(.shape, "there are 1 means; expected one for each of the images' 3 channels") {
            () throws(SupConError) in
            try Loader(
                dataset, .defaults(), views: 1, height: 4, width: 4, mean: [0], std: [1], seed: 0,
                threads: 1, batchSize: 1)
        }
        var options = AugmentationOptions.defaults()
        options.hue = 2
        expectError(.argument, "hue is 2.0") { [options] () throws(SupConError) in
            try Self.loader(dataset, options)
        }
        let loader = try Self.loader(dataset, batchSize: 2)
        expectError(.state, "no epoch has begun") { () throws(SupConError) in try loader.next() }
        expectError(.argument, "index 1 is 4; expected 0 to 3") { () throws(SupConError) in
            try loader.begin(epoch: 0, batches: [[0, 4]])
        }
        expectError(.argument, "batch 1 has 3 images; expected 1 to 2") { () throws(SupConError) in
            try loader.begin(epoch: 0, batches: [[0], [1, 2, 3]])
        }
        expectError(.argument, "batch 0 has 0 images") { () throws(SupConError) in
            try loader.begin(epoch: 0, batches: [[]])
        }
        expectError(.argument, "epoch is -1") { () throws(SupConError) in
            try loader.begin(epoch: -1, batches: [[0]])
        }
        expectError(.argument, "first batch is 2; expected 0 to 1") { () throws(SupConError) in
            try loader.begin(epoch: 0, batches: [[0]], from: 2)
        }
        try loader.begin(epoch: 0, batches: [[0]])
        #expect(try loader.next().indices == [0])
    }
}
