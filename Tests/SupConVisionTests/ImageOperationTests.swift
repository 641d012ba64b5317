import SupConTensor
import Testing

@testable import SupConVision

@Suite struct ImageOperationTests {
    let workspace = AugmentationWorkspace()

    func operation(_ name: String, _ value: Float) throws -> any ImageOperation {
        switch name {
        case "brightness": return Brightness(factor: value)
        case "contrast": return Contrast(factor: value)
        case "saturation": return Saturation(factor: value)
        case "hue": return Hue(turns: value)
        default: return try #require(name == "gray" ? Gray() : nil)
        }
    }

    /// Compares with torchvision in double precision, on an image with black, white, gray, pure
    /// colors and equal channels.
    @Test(arguments: AugmentationReference.shared.colors)
    func colorsAgreeWithTorchvision(_ reference: AugmentationReference.Color) throws {
        let names = reference.operation.split(separator: ",").map { $0.filter { $0 != " " } }
        let operations = try names.map {
            try operation($0, names.count > 1 && $0 == "hue" ? 0.13 : reference.value)
        }
        let out = try withView(AugmentationReference.shared.image, 6, 7, 3) {
            try workspace.rendered($0, operations: operations, height: 6, width: 7)
        }
        #expect(largestDifference(out, reference.result) < 3e-6)
    }

    @Test(arguments: AugmentationReference.shared.grays)
    func oneChannelAgreesWithTorchvision(_ reference: AugmentationReference.Color) throws {
        let out = try withView(AugmentationReference.shared.grayImage, 6, 7, 1) {
            try workspace.rendered(
                $0, operations: [operation(reference.operation, reference.value)], height: 6,
                width: 7)
        }
        #expect(largestDifference(out, reference.result) < 2e-6)
    }

    @Test(arguments: AugmentationReference.shared.blurs)
    func blurAgreesWithTorchvision(_ reference: AugmentationReference.Blur) throws {
        let (h, w) = (reference.height, reference.width)
        let blur = GaussianBlur(sigma: reference.sigma, height: h, width: w)
        let out = try withView(testImage(h, w, 1, seed: reference.seed), h, w, 1) {
            try workspace.rendered($0, operations: [blur], height: h, width: w)
        }
        #expect(largestDifference(out, reference.result) < 2e-6)
    }

    /// Compares an image of several strips with each operation on the whole image in double
    /// precision, so that strips, passes and their order have no effect.
    @Test(arguments: [1, 2, 3, 4]) func strips(_ channels: Int) throws {
        let (h, w) = (67, 131)
        let pixels = testImage(h, w, channels, seed: 3)
        var expected = pixels.map { Double($0) / 255 }
        func clamp(_ v: Double) -> Double { min(max(v, 0), 1) }
        func contrast(_ factor: Double) {
            var mean = 0.0
            for i in 0..<(h * w) {
                let p = expected[(i * channels)..<((i + 1) * channels)]
                mean +=
                    channels == 3
                    ? 0.2989 * p[i * 3] + 0.587 * p[i * 3 + 1] + 0.114 * p[i * 3 + 2]
                    : p.reduce(0, +) / Double(channels)
            }
            mean /= Double(h * w)
            expected = expected.map { clamp(factor * $0 + (1 - factor) * mean) }
        }
        contrast(0.7)
        expected = expected.map { clamp(1.3 * $0) }
        contrast(1.35)
        contrast(0.9)
        let operations: [any ImageOperation] = [
            Contrast(factor: 0.7), Brightness(factor: 1.3), Contrast(factor: 1.35),
            Contrast(factor: 0.9),
        ]
        let out = try withView(pixels, h, w, channels) {
            try workspace.rendered($0, operations: operations, height: h, width: w)
        }
        #expect(largestDifference(out, expected) < 3e-6)

        // A blur first, in the middle, twice, and last: the sum of the steps done one at a time.
        let blur = GaussianBlur(sigma: 1.1, height: h, width: w)
        let lists: [[any ImageOperation]] = [
            [blur, Contrast(factor: 0.6)], [Contrast(factor: 1.4), blur, Brightness(factor: 0.9)],
            [Brightness(factor: 0.8), blur, blur, Contrast(factor: 0.5)], [blur],
        ]
        for list in lists {
            var stepwise = try withView(pixels, h, w, channels) {
                try workspace.rendered($0, height: h, width: w)
            }
            for step in list {
                stepwise = try withView(stepwise, h, w, channels) {
                    try workspace.rendered($0, operations: [step], height: h, width: w)
                }
            }
            let once = try withView(pixels, h, w, channels) {
                try workspace.rendered($0, operations: list, height: h, width: w)
            }
            #expect(largestDifference(once, stepwise.map(Double.init)) < 3e-6)
        }
    }

    @Test func blurOfSmallAndHugeSigma() throws {
        let pixels = testImage(40, 60, 3, seed: 2)
        for sigma in [Float.leastNonzeroMagnitude, 1e-3] {
            let blur = GaussianBlur(sigma: sigma, height: 40, width: 60)
            let out = try withView(pixels, 40, 60, 3) {
                try workspace.rendered($0, operations: [blur], height: 40, width: 60)
            }
            #expect(largestDifference(out, pixels.map { Double($0) / 255 }) < 1e-7)
        }
        // A mean of 5×5.
        let flat = GaussianBlur(sigma: .greatestFiniteMagnitude, height: 40, width: 60)
        let out = try withView(pixels, 40, 60, 3) {
            try workspace.rendered($0, operations: [flat], height: 40, width: 60)
        }
        var mean = 0.0
        for y in 10..<15 {
            for x in 20..<25 { mean += Double(pixels[(y * 60 + x) * 3]) / 255 / 25 }
        }
        #expect(abs(Double(out[(12 * 60 + 22) * 3]) - mean) < 1e-6)
    }

    @Test func hueTurnsAreReduced() {
        for turns: Float in [-1e-9, 0, 1, -1, 0.3, -0.5, 7.25] {
            #expect((0..<1).contains(Hue(turns: turns).turns))
        }
        #expect(Hue(turns: -0.25).turns == 0.75)
    }
}
