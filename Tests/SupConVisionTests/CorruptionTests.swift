import SupConTensor
import Testing

@testable import SupConVision

/// Returns gradients and blocks, as painted by Fixtures/make_corruption_reference.py.
func corruptionPicture(_ height: Int, _ width: Int, _ channels: Int = 3) -> [UInt8] {
    var out: [UInt8] = []
    for y in 0..<height {
        for x in 0..<width {
            let blocks = 80 * ((x / 11 + y / 7) % 2)
            for c in 0..<channels {
                let gradient = 2 * x + (3 + c) * y + 40 * c
                out.append(UInt8((gradient + blocks) % 230 + 10))
            }
        }
    }
    return out
}

@Suite struct CorruptionTests {
    static func corrupted(
        _ pixels: [UInt8], count: Int = 1, _ height: Int, _ width: Int, _ corruption: Corruption,
        _ severity: Int, channels: Int = 3, seed: UInt64 = 1,
        threads: Int = 1
    ) throws -> [UInt8] {
        var out = [UInt8](repeating: 77, count: pixels.count + 1)
        try pixels.withUnsafeBytes { bytes in
            let images = ImageBatch(
                dense: try #require(bytes.baseAddress), element: .u8, count: count, height: height,
                width: width, channels: channels)
            try out.withUnsafeMutableBufferPointer {
                try corrupt(
                    images, corruption, severity: severity, seed: seed,
                    into: try #require($0.baseAddress), context: ExecutionContext(threads: threads))
            }
        }
        #expect(out.removeLast() == 77)
        return out
    }

    static func distance(_ a: [UInt8], _ b: [UInt8]) -> Double {
        zip(a, b).reduce(0) { $0 + abs(Double($1.0) - Double($1.1)) } / Double(a.count)
    }

    static func moment(_ order: Int, _ values: [Double], about middle: Double) -> Double {
        var sum = 0.0
        for value in values {
            sum +=
                order == 2
                ? (value - middle) * (value - middle)
                : (value - middle) * (value - middle) * (value - middle)
        }
        return sum / Double(values.count)
    }

    static func named(_ name: String) throws -> Corruption {
        try #require(Corruption.allCases.first { name.hasSuffix($0.description) })
    }

    /// Compares deterministic corruptions with values of the published programs. JPEGs may differ
    /// by the library that wrote them.
    @Test(arguments: CorruptionReference.shared.exact)
    func agreesWithThePublishedPrograms(_ reference: CorruptionReference.Exact) throws {
        let (h, w) = reference.size == "large" ? (72, 80) : (32, 32)
        let made = try Self.corrupted(
            corruptionPicture(h, w), h, w, Self.named(reference.name), reference.severity)
        let sampled = stride(from: 0, to: made.count, by: 31).map { Double(made[$0]) }
        #expect(sampled.count == reference.result.count)
        let isJPEG = reference.name == "jpeg_compression"
        // Theirs are not yet cut off to whole numbers.
        let wrong = zip(sampled, reference.result).count {
            isJPEG ? abs($0 - $1) > 4 : $1 - $0 < -0.02 || $1 - $0 > 1.02
        }
        #expect(wrong == 0, "\(reference.name) \(reference.severity): \(wrong) of \(sampled.count)")
    }

    /// Compares random corruptions with the published programs by distance from the image,
    /// brightness and spread.
    @Test(arguments: CorruptionReference.shared.chance.filter { $0.severity % 2 == 1 })
    func isDistributedAsThePublishedPrograms(_ reference: CorruptionReference.Chance) throws {
        let (h, w) = reference.name.hasPrefix("small") ? (32, 32) : (72, 80)
        let (n, picture) = (24, corruptionPicture(h, w))
        let all = try Self.corrupted(
            (0..<n).flatMap { _ in picture }, count: n, h, w, Self.named(reference.name),
            reference.severity, threads: 2)
        var (distance, mean, spread) = (0.0, 0.0, 0.0)
        for i in 0..<n {
            let one = Array(all[(i * picture.count)..<((i + 1) * picture.count)])
            let m = one.reduce(0.0) { $0 + Double($1) } / Double(one.count)
            distance += Self.distance(one, picture) / Double(n)
            mean += m / Double(n)
            let squares = one.reduce(0.0) { (sum: Double, value: UInt8) in
                sum + (Double(value) - m) * (Double(value) - m)
            }
            spread += (squares / Double(one.count)).squareRoot() / Double(n)
        }
        let room =
            5 * reference.deviation / Double(n).squareRoot() + 0.02 * reference.distance + 0.2
        #expect(
            abs(distance - reference.distance) < room,
            "\(reference.name) \(reference.severity): \(distance), \(reference.distance)")
        #expect(
            abs(mean - reference.mean) < max(room, 3),
            "\(reference.name) \(reference.severity): mean \(mean), \(reference.mean)")
        #expect(
            abs(spread - reference.spread) < max(room, 3),
            "\(reference.name) \(reference.severity): spread \(spread), \(reference.spread)")
    }

    /// Checks that a higher severity lies further from the image, on the mean over images, except
    /// where the published numbers do not grow.
    @Test(arguments: Corruption.allCases, [32, 72])
    func severitiesGrow(_ corruption: Corruption, _ side: Int) throws {
        if corruption == .elasticTransform || corruption == .glassBlur || corruption == .frost {
            return
        }
        let n = 6
        let pictures = (0..<n).flatMap { i in
            corruptionPicture(side, side).map { UInt8((Int($0) * (6 + i)) / 12) }
        }
        var (last, first) = (0.0, 0.0)
        for severity in 1...5 {
            let apart = Self.distance(
                try Self.corrupted(
                    pictures, count: n, side, side, corruption, severity, threads: 2), pictures)
            // Numbers that hardly grow, and patterns that cover and whiten, leave a little to
            // chance.
            #expect(apart >= last * 0.95, "severity \(severity): \(apart) after \(last)")
            (last, first) = (apart, severity == 1 ? apart : first)
        }
        #expect(last > first * 1.15)
        #expect(last > 3)
    }

    /// Checks that frost hides more and more of the image, with a texture about as bright as
    /// photographs of ice.
    @Test func frostHidesTheImage() throws {
        for side in [32, 96] {
            let black = [UInt8](repeating: 0, count: 8 * side * side * 3),
                tables = CorruptionTables.of(height: side, width: side)
            for severity in [1, 5] {
                let made = try Self.corrupted(black, count: 8, side, side, .frost, severity)
                let ice = made.map { Double($0) / 255 / tables.frost[severity - 1].frost }
                let mean = ice.reduce(0, +) / Double(ice.count)
                let variance =
                    ice.reduce(0.0) { (sum: Double, value: Double) in
                        sum + (value - mean) * (value - mean)
                    } / Double(ice.count)
                #expect((0.4...0.7).contains(mean))
                #expect(variance.squareRoot() > 0.08 && variance.squareRoot() < 0.2)
            }
        }
    }

    /// Checks the noises of a flat image: means and variances in closed form.
    @Test func noiseHasItsMoments() throws {
        let side = 128
        for severity in [1, 3, 5] {
            let p = 102.0 / 255
            let flat = [UInt8](repeating: 102, count: side * side * 3), n = Double(flat.count)
            let view = flat.withUnsafeBytes {
                FloatImage(
                    ImageView(
                        dense: $0.baseAddress!, element: .u8, height: side, width: side, channels: 3
                    ))
            }
            var random = Philox(seed: 5, purpose: .test, sample: severity)
            func moments(_ image: FloatImage) -> (mean: Double, variance: Double) {
                let values = image.planes.flatMap { $0.map(Double.init) }
                let mean = values.reduce(0, +) / n
                return (mean, Self.moment(2, values, about: mean))
            }
            var impulse = view
            impulse.addImpulseNoise(0.27, &random)
            let (mean, variance) = moments(impulse)
            #expect(abs(mean - (0.73 * p + 0.135)) < 0.01)
            let (first, second) = (0.73 * p + 0.135, 0.73 * p * p + 0.135)
            #expect(abs(variance - (second - first * first)) < 0.005)
            var gaussian = view
            gaussian.addGaussianNoise(0.08, &random)
            let g = moments(gaussian)
            let root = n.squareRoot()
            #expect(abs(g.mean - p) < 0.4 / root && abs(g.variance - 0.0064) < 0.0453 / root)
            var shot = view
            let photons = Double([250, 100, 60][severity / 2])
            shot.addShotNoise(photons, &random)
            let s = moments(shot)
            let error = (p / photons).squareRoot() / root
            #expect(abs(s.mean - p) < 5 * error + 1e-4)
            #expect(abs(s.variance - p / photons) < 0.03 * p / photons)
        }
    }

    /// Checks Poisson variates on both sides of the change of method: mean, variance and third
    /// central moment all equal the mean.
    @Test(arguments: [0.3, 4, 9.9, 10.1, 40, 500]) func poissonVariates(_ mean: Double) {
        var random = Philox(seed: 9, purpose: .test)
        let n = 40000
        let values = (0..<n).map { _ in Double(random.poisson(mean)) }
        let average = values.reduce(0, +) / Double(n)
        let variance = Self.moment(2, values, about: mean),
            third = Self.moment(3, values, about: mean)
        let root = Double(n).squareRoot()
        #expect(abs(average - mean) < 5 * mean.squareRoot() / root)
        let ofVariance: Double = mean + 2 * mean * mean
        #expect(abs(variance - mean) < 5 * ofVariance.squareRoot() / root)
        let ofThird: Double = mean + 25 * mean * mean + 15 * mean * mean * mean
        #expect(abs(third - mean) < 6 * ofThird.squareRoot() / root)
        #expect(random.poisson(0) == 0 && random.poisson(-1) == 0 && random.poisson(.nan) == 0)
    }

    /// Tests any channels, sizes, elements and strides: results are equal for any number of
    /// threads, and another seed or index gives another picture.
    @Test(arguments: Corruption.allCases) func anyImage(_ corruption: Corruption) throws {
        for channels in 1...4 {
            for (h, w) in [(1, 1), (1, 7), (5, 2), (33, 9)] {
                let pixels = (0..<3).flatMap { testImage(h, w, channels, seed: $0) }
                for severity in [1, 5] {
                    let one = try Self.corrupted(
                        pixels, count: 3, h, w, corruption, severity, channels: channels)
                    #expect(
                        try Self.corrupted(
                            pixels, count: 3, h, w, corruption, severity, channels: channels,
                            threads: 3) == one)
                }
            }
        }
        let picture = corruptionPicture(40, 40)
        let three = try Self.corrupted(picture + picture, count: 2, 40, 40, corruption, 4)
        let isByChance = [
            .gaussianNoise, .shotNoise, .impulseNoise, .glassBlur, .motionBlur, .snow, .frost, .fog,
            .elasticTransform,
        ].contains(corruption)
        #expect((Array(three[..<picture.count]) != Array(three[picture.count...])) == isByChance)
        #expect(
            (try Self.corrupted(picture, 40, 40, corruption, 4, seed: 2)
                != Array(three[..<picture.count])) == isByChance)

        // f32, planes apart, backwards: the same image, the same result. What is not within 0…1 is
        // moved there.
        var planes = [Float](repeating: 0, count: picture.count)
        for i in 0..<1600 {
            for c in 0..<3 { planes[c * 1600 + 1599 - i] = Float(picture[i * 3 + c]) / 255 }
        }
        let strided = try planes.withUnsafeBufferPointer { p in
            try ImageView(
                data: UnsafeRawPointer(p.baseAddress! + 1599), element: .f32, height: 40, width: 40,
                channels: 3, rowStride: -40, columnStride: -1, channelStride: 1600
            ).corrupted(corruption, severity: 4, seed: 1, sample: 0, .default).bytes()
        }
        #expect(strided == Array(three[..<picture.count]))
        let wild: [Float] = [.nan, .infinity, -.infinity, -3, 7, 0.5, 0.1, 1e30, -0.0]
        _ = try withView(wild, 3, 3, 1) {
            try $0.corrupted(corruption, severity: 5, seed: 1, sample: 0, .default).bytes()
        }
    }

    /// Checks that a corrupted data set equals `corrupt`, image by image, that subsets keep their
    /// images' corruption, and that a size resizes first.
    @Test func corruptedDataSets() throws {
        let (count, side) = (4, 24)
        let pixels = (0..<count).flatMap { i in corruptionPicture(side, side).map { $0 &+ UInt8(i) }
        }
        let expected = try Self.corrupted(pixels, count: count, side, side, .snow, 2, seed: 8)
        try pixels.withUnsafeBytes { bytes in
            let images = ImageBatch(
                dense: try #require(bytes.baseAddress), element: .u8, count: count, height: side,
                width: side, channels: 3)
            let clean = try Dataset.images(images, labels: [0, 1, 0, 1])
            let snowy = try clean.corrupted(.snow, severity: 2, seed: 8)
            #expect(
                snowy.count == 4 && snowy.labels == [0, 1, 0, 1] && snowy.height == side
                    && snowy.classes == 2 && !snowy.needsCallingThread)
            let reader = ImageReader(snowy)
            for i in [3, 0, 2] {
                _ = try reader.open(i)
                #expect(
                    Array(expected[(i * side * side * 3)..<((i + 1) * side * side * 3)])
                        == FloatImage(try reader.pixels(atLeast: 0.1)).bytes())
            }
            let some = try snowy.subset([2]).materialize([0])
            let again = ImageReader(some)
            _ = try again.open(0)
            #expect(
                Array(expected[(2 * side * side * 3)..<(3 * side * side * 3)])
                    == FloatImage(try again.pixels(atLeast: 1)).bytes())
            let smaller = try clean.corrupted(.contrast, severity: 1, seed: 0, size: (10, 12))
            #expect(smaller.height == 10 && smaller.width == 12)
            let third = ImageReader(smaller)
            #expect(try third.open(1) == (10, 12) && third.pixels(atLeast: 1).width == 12)
            for bad in [0, 6] {
                #expect(throws: SupConError.self) {
                    try clean.corrupted(.fog, severity: bad, seed: 0)
                }
            }
            #expect(throws: SupConError.self) {
                try clean.corrupted(.fog, severity: 1, seed: 0, size: (0, 5))
            }
        }
        let error = #expect(throws: SupConError.self) {
            try Self.corrupted([1, 2, 3], 1, 1, .fog, 7)
        }
        #expect(error?.kind == .argument && error?.message == "severity is 7; expected 1 to 5")

        // A callback's images come on the calling thread, whole or one at a time.
        let made = try Dataset.callback(count: 2, height: 8, width: 8, channels: 1) { indices, to in
            for (i, index) in indices.enumerated() {
                for k in 0..<64 { to[i * 64 + k] = UInt8(40 * index + k) }
            }
            return true
        }
        let faint = try made.corrupted(.contrast, severity: 3, seed: 0)
        #expect(faint.needsCallingThread)
        let loader = try Loader(
            faint, .defaults(.none), views: 1, height: 8, width: 8, mean: [0], std: [1], seed: 0,
            threads: 1, batchSize: 2)
        try loader.begin(epoch: 0, batches: [[0, 1]])
        let batch = try loader.next()
        let values = UnsafeBufferPointer(start: batch.pixels, count: 128).map {
            Int(($0 * 255).rounded())
        }
        // (k − 31.5) · 0.4 + 31.5, cut off; the second image 40 above it.
        #expect(values[0] == 18 && values[63] == 44 && values[64] == 58)
    }
}
