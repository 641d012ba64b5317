import Foundation
import SupConTensor
import TestSupport
import Testing

@testable import SupConVision

/// Tests files that become unreadable after the data set was made.
@Suite struct ReplacementTests {
    let folder: TemporaryFolder
    /// The labels: one for images 0, 3, 6, 9, and another for the rest.
    let labels = (0..<12).map { $0 % 3 == 0 ? 7 : 9 }
    let names = (0..<12).map { "\($0).png" }

    init() throws {
        folder = try TemporaryFolder()
        let fixtures = ["rgb8.png", "rgb8_key.png", "rgb8_interlaced.png", "palette8.png"]
        for (i, name) in names.enumerated() {
            try folder.copy(fixtures[i % fixtures.count], to: name)
        }
    }

    func dataset(_ labels: [Int]?, _ onError: DatasetOptions.OnError = .skip) throws -> Dataset {
        try Dataset.files(
            names.map(folder.path), labels: labels, options: DatasetOptions(onError: onError))
    }

    func epoch(_ dataset: Dataset, _ number: Int = 3, threads: Int = 2) throws -> (
        indices: [[Int]], pixels: [[Float]], told: [String]
    ) {
        let loader = try LoaderTests.loader(dataset, threads: threads, batchSize: 6)
        try loader.begin(epoch: number, batches: [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]])
        var (indices, pixels): ([[Int]], [[Float]]) = ([], [])
        for _ in 0..<2 {
            let batch = try loader.next()
            indices.append(batch.indices)
            pixels.append(LoaderTests.contents(loader, batch))
        }
        return (indices, pixels, loader.unreadable())
    }

    @Test func anotherOfTheClassTakesThePlace() throws {
        let dataset = try dataset(labels)
        let whole = try epoch(dataset)
        #expect(whole.indices == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]] && whole.told == [])
        // One vanishes, one is cut off, one has right sums about data that are no image's.
        try FileManager.default.removeItem(atPath: folder.path("4.png"))
        try folder.write("7.png", Array(Fixtures.bytes("rgb8.png").prefix(60)))
        try folder.write("9.png", Array("no image any more".utf8))
        let found = try epoch(dataset)
        let changed = zip(whole.indices.joined(), found.indices.joined()).filter { $0 != $1 }
        #expect(changed.map(\.0) == [4, 7, 9])
        for (before, after) in changed {
            #expect(labels[before] == labels[after] && ![4, 7, 9].contains(after))
        }
        #expect(found.told.count == 3)
        for (name, word) in [("4.png", "No such file"), ("7.png", "7.png"), ("9.png", "neither")] {
            #expect(found.told.contains { $0.contains("/\(name): ") && $0.contains(word) })
        }
        // The views are those of an image that had been in that place all along.
        var paths = names
        for (before, after) in changed { paths[before] = names[after] }
        let placed = try epoch(
            Dataset.files(paths.map(folder.path), labels: labels, options: DatasetOptions()))
        #expect(placed.pixels == found.pixels && placed.told == [])

        for threads in [1, 4] {
            let again = try epoch(dataset, threads: threads)
            #expect(again.indices == found.indices && again.pixels == found.pixels)
        }
        let elsewhere = (4..<24).map { try? epoch(dataset, $0).indices[0][4] }
        #expect(Set(elsewhere).count > 2, "another epoch chooses others")
        let corrupted = try epoch(dataset.corrupted(.fog, severity: 1, seed: 0))
        #expect(corrupted.indices == found.indices)
    }

    @Test func withoutLabelsAnyOtherDoes() throws {
        let dataset = try dataset(nil)
        try FileManager.default.removeItem(atPath: folder.path("5.png"))
        let found = try epoch(dataset)
        #expect(found.indices[0][5] != 5 && found.told.count == 1)
    }

    @Test func whereNoneIsLeftItIsAnError() throws {
        let dataset = try dataset(labels)
        for i in [0, 3, 6, 9] { try FileManager.default.removeItem(atPath: folder.path(names[i])) }
        expectError(.io, "/0.png", "No such file") { _ = try epoch(dataset) }
    }

    @Test func refusingIsAnError() throws {
        let dataset = try dataset(labels, .refuse)
        try FileManager.default.removeItem(atPath: folder.path("4.png"))
        expectError(.io, "/4.png", "No such file") { _ = try epoch(dataset) }
    }

    @Test func theReadableAreKept() throws {
        let dataset = try dataset(labels)
        try FileManager.default.removeItem(atPath: folder.path("4.png"))
        let (images, indices, unreadable) = try dataset.readable()
        #expect(images.picks == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11] && images.picks == indices)
        #expect(unreadable.count == 1)
        #expect(images.classes == 2 && unreadable[0].contains("4.png"))
    }
}
