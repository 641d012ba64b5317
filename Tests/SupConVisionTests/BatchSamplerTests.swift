import SupConTensor
import TestSupport
import SupConVision
import Testing

@Suite struct BatchSamplerTests {
    /// Makes one-pixel images with these labels.
    static func dataset(_ labels: [Int]?, count: Int) throws -> Dataset {
        try Dataset.callback(count: count, height: 1, width: 1, channels: 1, labels: labels) {
            _, _ in true
        }
    }

    @Test func aShuffleTakesEveryImageOnce() throws {
        let sampler = try BatchSampler(Self.dataset(nil, count: 103), batchSize: 10, seed: 4)
        #expect(sampler.batchCount == 10)
        for epoch in 0..<5 {
            let batches = sampler.batches(epoch: epoch)
            #expect(batches.count == 10 && batches.allSatisfy { $0.count == 10 })
            #expect(
                Set(batches.joined()).count == 100
                    && batches.joined().allSatisfy { (0..<103).contains($0) })
        }
        let even = try BatchSampler(Self.dataset(nil, count: 64), batchSize: 16, seed: 4)
        #expect(even.batches(epoch: 9).joined().sorted() == Array(0..<64))
    }

    /// Checks that the position of an image is uniform: 60 images in 6 batches, 6000 epochs; χ²
    /// with 5 degrees of freedom stays below 25 (p = 1e-4) for each of three images.
    @Test func aShuffleIsFair() throws {
        let sampler = try BatchSampler(Self.dataset(nil, count: 60), batchSize: 10, seed: 1)
        var found = [[Double]](repeating: [Double](repeating: 0, count: 6), count: 60)
        for epoch in 0..<6000 {
            for (number, batch) in sampler.batches(epoch: epoch).enumerated() {
                for image in batch { found[image][number] += 1 }
            }
        }
        for image in [0, 31, 59] {
            #expect(found[image].reduce(0) { $0 + ($1 - 1000) * ($1 - 1000) / 1000 } < 25)
        }
    }

    @Test(arguments: [0, 4]) func anEpochDependsOnSeedAndNumberAlone(_ imagesPerClass: Int) throws {
        let dataset = try Self.dataset((0..<200).map { $0 % 10 }, count: 200)
        func sampler(_ seed: UInt64) throws -> BatchSampler {
            try BatchSampler(dataset, batchSize: 16, imagesPerClass: imagesPerClass, seed: seed)
        }
        let first = try sampler(7)
        let epochs = (0..<4).map { first.batches(epoch: $0) }
        let second = try sampler(7)
        for epoch in [3, 1, 0, 2] { #expect(second.batches(epoch: epoch) == epochs[epoch]) }
        #expect(Set(epochs).count == 4)
        #expect(try sampler(8).batches(epoch: 0) != epochs[0])
    }

    /// Tests classes of 1 to 40 images, and one label without images.
    @Test func batchesHaveAsManyImagesOfAsManyClasses() throws {
        let sizes = [40, 1, 3, 0, 17, 8, 40]
        let labels = sizes.enumerated().flatMap { [Int](repeating: $0.offset, count: $0.element) }
        let dataset = try Self.dataset(labels, count: labels.count)
        let sampler = try BatchSampler(dataset, batchSize: 12, imagesPerClass: 4, seed: 2)
        #expect(sampler.batchCount == 109 / 12)
        var perClass = [Int](repeating: 0, count: sizes.count)
        var perImage = [Int](repeating: 0, count: labels.count)
        for epoch in 0..<20 {
            perImage = perImage.map { _ in 0 }
            let batches = sampler.batches(epoch: epoch)
            #expect(batches.count == 9)
            for batch in batches {
                var images: [Int: [Int]] = [:]
                for image in batch { images[labels[image], default: []].append(image) }
                #expect(batch.count == 12 && images.count == 3)
                for (label, members) in images {
                    #expect(members.count == 4)
                    // Different ones where there are enough; otherwise as evenly as can be.
                    let times = Dictionary(members.map { ($0, 1) }, uniquingKeysWith: +).values
                    #expect(
                        times.count == min(4, sizes[label])
                            && (times.max() ?? 0) - (times.min() ?? 0) <= 1)
                    perClass[label] += 1
                }
                for image in batch { perImage[image] += 1 }
            }
            // In an epoch, the images of one class come equally often, to one.
            for label in sizes.indices where sizes[label] > 0 {
                let times = labels.indices.filter { labels[$0] == label }.map { perImage[$0] }
                #expect((times.max() ?? 0) - (times.min() ?? 0) <= 1)
            }
        }
        #expect(perClass[3] == 0)
        // 20 epochs of 27 turns among six classes.
        for label in [0, 1, 2, 4, 5, 6] { #expect(abs(perClass[label] - 90) <= 20) }
    }

    @Test func refusesWhatCannotBe() throws {
        let labeled = try Self.dataset([0, 0, 1, 1, 2, 2], count: 6),
            plain = try Self.dataset(nil, count: 6)
        expectError(.argument, "batch_size is 0; expected 1 or more") { () throws(SupConError) in
            try BatchSampler(labeled, batchSize: 0, seed: 0)
        }
        expectError(.argument, "images_per_class is 4; expected a divisor of batch_size, 6") {
            () throws(SupConError) in
            try BatchSampler(labeled, batchSize: 6, imagesPerClass: 4, seed: 0)
        }
        expectError(.argument, "images_per_class is -1") { () throws(SupConError) in
            try BatchSampler(labeled, batchSize: 6, imagesPerClass: -1, seed: 0)
        }
        expectError(.state, "there are 6 images; expected at least one batch of 8") {
            () throws(SupConError) in try BatchSampler(labeled, batchSize: 8, seed: 0)
        }
        expectError(.state, "no labels") { () throws(SupConError) in
            try BatchSampler(plain, batchSize: 6, imagesPerClass: 3, seed: 0)
        }
        expectError(
            .state, "there are 3 classes with images; a batch of 4 with 1 images per class takes 4"
        ) { () throws(SupConError) in
            try BatchSampler(labeled, batchSize: 4, imagesPerClass: 1, seed: 0)
        }
        #expect(throws: Never.self) { try BatchSampler(plain, batchSize: 6, seed: 0) }
    }
}
