import SupConTensor
import TestSupport
import SupConVision
import Testing

@Suite struct DatasetTests {
    /// Makes n dense images of height×width with `channels` channels, in which all pixels differ.
    private func batch<T>(
        _ values: UnsafeMutablePointer<T>, _ n: Int, _ height: Int, _ width: Int, _ channels: Int,
        _ element: ImageView.Element
    ) -> ImageBatch {
        ImageBatch(
            dense: values, element: element, count: n, height: height, width: width,
            channels: channels)
    }

    @Test func stridesMeanWhatTheySay() throws {
        // Stored as CHW in a larger array; seen as HWC, cropped and flipped both ways.
        var store = (0..<(3 * 2 * 5 * 7)).map { UInt8($0) }  // [3, 2, 5, 7]
        try store.withUnsafeMutableBufferPointer { memory in
            let start = try #require(memory.baseAddress)
            let view = ImageBatch(
                data: start + 2 * 7 + 3 + 2 * 7, element: .u8, count: 3, height: 3, width: 3,
                channels: 2, imageStride: 70, rowStride: -7, columnStride: -1,
                channelStride: 35)
            var truth = [[Double]](repeating: [], count: 3)
            for n in 0..<3 {
                for y in 0..<3 {
                    for x in 0..<3 {
                        for c in 0..<2 {
                            truth[n].append(Double(n * 70 + c * 35 + (4 - y) * 7 + (3 - x)))
                        }
                    }
                }
            }
            for copies in [false, true] {
                let dataset = try Dataset.images(view, options: DatasetOptions(copies: copies))
                #expect(try contents(dataset) == truth)
                start[4 * 7 + 3] = 250
                #expect(
                    try contents(dataset)[0][0] == (copies ? truth[0][0] : 250),
                    "a borrowed set sees what the memory holds")
                start[4 * 7 + 3] = 31
            }
        }
    }

    @Test func channelsAreConverted() throws {
        var u8: [UInt8] = (0..<(2 * 3 * 4)).map { UInt8($0 * 10) }
        var f32 = u8.map { Float($0) / 255 }
        for channels in 1...4 {
            try u8.withUnsafeMutableBufferPointer { bytes in
                try f32.withUnsafeMutableBufferPointer { floats in
                    let (first, second) = (
                        try #require(bytes.baseAddress), try #require(floats.baseAddress)
                    )
                    let kinds: [(ImageView.Element, UnsafeRawPointer, Double)] = [
                        (.u8, UnsafeRawPointer(first), 1), (.f32, UnsafeRawPointer(second), 255),
                    ]
                    for (element, data, unit) in kinds {
                        let n = 24 / channels
                        let batch = ImageBatch(
                            dense: data, element: element, count: 1, height: 1, width: n,
                            channels: channels)
                        for wanted in [0, 1, 3] {
                            for copies in [false, true] {
                                let dataset = try Dataset.images(
                                    batch, options: DatasetOptions(channels: wanted, copies: copies)
                                )
                                let truth: [Double] = (0..<n).flatMap { i -> [Double] in
                                    let pixel = (0..<channels).map {
                                        Double((i * channels + $0) * 10)
                                    }
                                    if wanted == 0 || wanted == channels { return pixel }
                                    if channels <= 2 {
                                        return [Double](repeating: pixel[0], count: wanted)
                                    }
                                    if wanted == 3 { return Array(pixel.prefix(3)) }
                                    let luma =
                                        0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]
                                    return [element == .u8 ? luma.rounded() : luma]
                                }
                                let pixels = try contents(dataset)[0].map { $0 * unit }
                                try #require(pixels.count == truth.count)
                                #expect(
                                    zip(pixels, truth).allSatisfy { abs($0 - $1) < 1e-3 },
                                    "\(element) \(channels) to \(wanted)")
                            }
                        }
                    }
                }
            }
        }
    }

    @Test func badInputIsNamed() throws {
        var bytes = [UInt8](repeating: 0, count: 24)
        var floats = [Float](repeating: 0.5, count: 24)
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 24)
        memory.initialize(from: &bytes, count: 24)
        defer { memory.deallocate() }
        let good = batch(memory, 6, 2, 2, 1, .u8)
        expectError(.shape, "5 labels for 6") { () throws(SupConError) in
            try Dataset.images(good, labels: [0, 1, 2, 3, 4])
        }
        expectError(.argument, "channels is 4") { () throws(SupConError) in
            try Dataset.images(good, options: DatasetOptions(channels: 4))
        }
        var wrong = good
        wrong.height = 0
        expectError(.argument, "0×2") { () throws(SupConError) in try Dataset.images(wrong) }
        wrong = good
        wrong.imageStride = .max
        expectError(.shape, "stride") { () throws(SupConError) in try Dataset.images(wrong) }

        for bad in [Float.nan, .infinity, -.infinity, .signalingNaN] {
            for place in [0, 13, 23] {
                floats[place] = bad
                floats.withUnsafeMutableBufferPointer { values in
                    guard let start = values.baseAddress else { return }
                    for channelFirst in [false, true] {
                        let batch = ImageBatch(
                            data: start, element: .f32, count: 2, height: 2, width: 3, channels: 2,
                            imageStride: 12, rowStride: channelFirst ? 3 : 6,
                            columnStride: channelFirst ? 1 : 2, channelStride: channelFirst ? 6 : 1)
                        expectError(.argument, "image \(place / 12)", "finite") {
                            () throws(SupConError) in try Dataset.images(batch)
                        }
                    }
                }
                floats[place] = 0.5
            }
        }
    }

    @Test func subsetsOfSubsetsPickTheRightImages() throws {
        var values = (0..<10).map { UInt8($0) }
        try values.withUnsafeMutableBufferPointer { memory in
            let whole = try Dataset.images(
                batch(try #require(memory.baseAddress), 10, 1, 1, 1, .u8),
                labels: (0..<10).map { $0 % 4 })
            let some = try whole.subset([7, 3, 3, 9])
            let fewer = try some.subset([3, 0])
            #expect(
                try contents(fewer) == [[9], [7]] && fewer.labels == [1, 3] && fewer.classes == 4)
            #expect(try contents(try fewer.materialize([1, 1, 0])) == [[7], [7], [9]])
            #expect(try whole.subset([]).count == 0 && whole.materialize([]).count == 0)
            expectError(.argument, "index 1 is 4", "0 to 3") { () throws(SupConError) in
                try some.subset([0, 4])
            }
            expectError(.argument, "index 0 is -1") { () throws(SupConError) in
                try some.materialize([-1])
            }
        }
    }

    @Test func filesMaterialize() throws {
        let names = ["rgb8.png", "large.jpg", "orientation6.jpg", "palette4.png"]
        let dataset = try Dataset.files(names.map(Fixtures.path), labels: [3, 2, 1, 0])
        let memory = try dataset.materialize([2, 1, 0])
        let all = try contents(dataset)
        #expect(
            try contents(memory) == [all[2], all[1], all[0]] && memory.labels == [1, 2, 3]
                && memory.height == nil && memory.path(0) == nil)
        #expect(try contents(try memory.materialize([2])) == [all[0]])
        #expect(try dataset.subset([0, 3]).height == 13 && memory.subset([0]).height == 17)
    }

    @Test func callbacksAreAskedAndCanStop() throws {
        final class Calls { var all: [[Int]] = [] }
        let calls = Calls()
        let dataset = try Dataset.callback(
            count: 9, height: 2, width: 3, channels: 2, labels: [0, 1, 2, 0, 1, 2, 0, 1, 2]
        ) { indices, pixels in
            calls.all.append(indices)
            for (place, index) in indices.enumerated() {
                for i in 0..<12 { pixels[place * 12 + i] = UInt8(index * 12 + i) }
            }
            return !indices.contains(8)
        }
        func truth(_ index: Int) -> [Double] { (0..<12).map { Double(index * 12 + $0) } }
        #expect(
            dataset.needsCallingThread && dataset.channels == 2 && dataset.height == 2
                && calls.all.isEmpty)
        let part = try dataset.subset([7, 5, 8])
        let made = try part.materialize([1, 0, 1])
        #expect(calls.all == [[5, 7, 5]] && !made.needsCallingThread && made.labels == [2, 1, 2])
        #expect(try contents(made) == [truth(5), truth(7), truth(5)])
        let reader = ImageReader(part)
        #expect(try reader.open(0) == (2, 3))
        #expect(numbers(try reader.pixels(atLeast: 1)) == truth(7) && calls.all.count == 2)
        expectError(.canceled, "callback") { () throws(SupConError) in try part.materialize([2]) }
        _ = try reader.open(2)
        expectError(.canceled, "callback") { () throws(SupConError) in
            try reader.pixels(atLeast: 1)
        }
        expectError(.argument, "0×3") { () throws(SupConError) in
            try Dataset.callback(count: 1, height: 0, width: 3, channels: 1) { _, _ in true }
        }
        expectError(.argument, "5 channels") { () throws(SupConError) in
            try Dataset.callback(count: 1, height: 1, width: 3, channels: 5) { _, _ in true }
        }
        expectError(.shape, "labels") { () throws(SupConError) in
            try Dataset.callback(count: 1, height: 1, width: 3, channels: 1, labels: []) { _, _ in
                true
            }
        }
        let huge = try Dataset.callback(
            count: Dataset.mostImages, height: 65536, width: 65536, channels: 4
        ) {
            _, _ in true
        }
        expectError(.memory) { () throws(SupConError) in
            try huge.materialize([Int](repeating: 0, count: 1 << 20))
        }
    }

    @Test(arguments: [0.001, 0.05, 0.2, 0.5, 0.9, 0.999]) func splitIsStratified(_ fraction: Double)
        throws
    {
        var values = [UInt8](repeating: 0, count: 2000)
        var random = Philox(seed: 5, purpose: .test)
        // Classes of very different sizes: 3 holds one image, 9 two.
        let labels = (0..<2000).map {
            $0 == 17
                ? 3
                : $0 == 18 || $0 == 1900
                    ? 9 : [0, 0, 0, 0, 0, 1, 1, 5, 1 << 40][random.index(below: 9)]
        }
        try values.withUnsafeMutableBufferPointer { memory in
            let dataset = try Dataset.images(
                batch(try #require(memory.baseAddress), 2000, 1, 1, 1, .u8), labels: labels)
            let (first, second) = try dataset.split(fraction: fraction, seed: 1)
            #expect(
                first.count + second.count == 2000 && first.classes == dataset.classes
                    && second.classes == dataset.classes)
            func histogram(_ labels: [Int]?) -> [Int: Int] {
                (labels ?? []).reduce(into: [:]) { $0[$1, default: 0] += 1 }
            }
            let (all, one, two) = (
                histogram(labels), histogram(first.labels), histogram(second.labels)
            )
            for (label, count) in all {
                #expect(one[label, default: 0] + two[label, default: 0] == count)
                if count >= 2 {
                    #expect(one[label, default: 0] >= 1 && two[label, default: 0] >= 1)
                    #expect(
                        abs(Double(two[label, default: 0]) - fraction * Double(count)) <= 1.5,
                        "class \(label)")
                }
            }
            #expect(one[3] == 1)
            #expect(try dataset.split(fraction: fraction, seed: 1).second.labels == second.labels)
        }
    }

    @Test func splitPartsAreDisjointRandomAndInOrder() throws {
        var values = (0..<200).map { UInt8($0) }
        try values.withUnsafeMutableBufferPointer { memory in
            let dataset = try Dataset.images(
                batch(try #require(memory.baseAddress), 200, 1, 1, 1, .u8))
            let (first, second) = try dataset.split(fraction: 0.25, seed: 1)
            let (a, b) = (try contents(first).map { $0[0] }, try contents(second).map { $0[0] })
            #expect(
                a.count == 150 && b.count == 50 && (a + b).sorted() == (0..<200).map { Double($0) }
                    && a == a.sorted() && b == b.sorted())
            let other = try contents(try dataset.split(fraction: 0.25, seed: 2).second).map {
                $0[0]
            }
            #expect(
                other != b && b != (0..<50).map { Double($0) }
                    && b != (150..<200).map { Double($0) })
            for fraction in [0, 1, -0.5, 1.5, .nan, .infinity] {
                expectError(.argument, "fraction is \(fraction)") { () throws(SupConError) in
                    try dataset.split(fraction: fraction, seed: 1)
                }
            }
            expectError(.argument, "1 images") { () throws(SupConError) in
                try dataset.subset([5]).split(fraction: 0.5, seed: 1)
            }
            let pair = try dataset.subset([5, 6]).split(fraction: 0.01, seed: 1)
            #expect(pair.first.count == 1 && pair.second.count == 1)
        }
    }

    /// Tests classes of three images each, split at a fifth: each part gets its minimum, and
    /// rounding errors do not add up over many classes of seven.
    @Test func roundingIsCarriedOver() throws {
        var values = [UInt8](repeating: 0, count: 700)
        try values.withUnsafeMutableBufferPointer { memory in
            let dataset = try Dataset.images(
                batch(try #require(memory.baseAddress), 700, 1, 1, 1, .u8),
                labels: (0..<700).map { $0 / 7 })
            #expect(try dataset.split(fraction: 0.2, seed: 3).second.count == 140)
        }
    }
}
