import SupConTensor
import Testing

@testable import SupConVision

@Suite struct AugmentationTests {
    static func augmented(
        _ pixels: [UInt8], count: Int, side: Int, channels: Int = 3,
        _ options: AugmentationOptions = .defaults(), seed: UInt64 = 1, epoch: Int = 0,
        view: Int = 0, size: Int = 12, threads: Int = 1
    ) throws -> [Float] {
        var out = [Float](repeating: .nan, count: count * size * size * channels)
        try pixels.withUnsafeBytes { bytes in
            let images = ImageBatch(
                dense: bytes.baseAddress!, element: .u8, count: count, height: side, width: side,
                channels: channels)
            try out.withUnsafeMutableBufferPointer {
                try augment(
                    images, options, seed: seed, epoch: epoch, view: view, height: size,
                    width: size, into: $0.baseAddress!,
                    context: ExecutionContext(threads: threads))
            }
        }
        return out
    }

    /// Compares crops with torchvision's get_params: means and deviations of position and size over
    /// 40,000 draws each, to 5 standard errors.
    @Test(arguments: AugmentationReference.shared.crops)
    func cropsAreDistributedAsTorchvisions(_ reference: AugmentationReference.Crop) {
        let n = 40000
        var (sum, squares, area) = (SIMD4<Double>(), SIMD4<Double>(), 0.0)
        for sample in 0..<n {
            var random = Philox(seed: 3, purpose: .test, sample: sample)
            let box = CropBox(
                randomIn: (reference.height, reference.width),
                scale: (reference.scale[0], reference.scale[1]),
                ratio: (reference.ratio[0], reference.ratio[1]), &random)
            let values = SIMD4(box.top, box.left, box.height, box.width)
            #expect(
                values == values.rounded(.down) && box.height >= 1 && box.width >= 1 && box.top >= 0
                    && box.left >= 0)
            #expect(
                box.top + box.height <= Double(reference.height)
                    && box.left + box.width <= Double(reference.width))
            sum += values
            squares += values * values
            area += box.height * box.width / Double(reference.height * reference.width)
        }
        let mean = sum / Double(n)
        for i in 0..<4 {
            let deviation = (squares[i] / Double(n) - mean[i] * mean[i]).squareRoot()
            #expect(
                abs(mean[i] - reference.mean[i]) < 5 * reference.deviation[i]
                    * (2 / Double(n)).squareRoot() + 1e-9, "value \(i)")
            #expect(
                abs(deviation - reference.deviation[i]) < 0.02 * reference.deviation[i] + 1e-6,
                "value \(i)")
        }
        #expect(abs(area / Double(n) - reference.area) < 0.005)
    }

    @Test func aCropThatNeverFitsIsTheMiddle() {
        var random = Philox(seed: 0, purpose: .test)
        let narrow = CropBox(randomIn: (100, 10), scale: (1, 1), ratio: (0.5, 2), &random)
        #expect(narrow == CropBox(top: 40, left: 0, height: 20, width: 10))
        let low = CropBox(randomIn: (10, 100), scale: (1, 1), ratio: (0.5, 2), &random)
        #expect(low == CropBox(top: 0, left: 40, height: 10, width: 20))
        for ratio in [(Float(1e-38), Float(1e-38)), (1e38, 1e38), (1e-38, 1e38)] {
            let box = CropBox(randomIn: (1, 1), scale: (1e-38, 1), ratio: ratio, &random)
            #expect(box == CropBox(height: 1, width: 1))
        }
    }

    /// Checks how often each operation is drawn, and with which parameters.
    @Test func operationsComeAsOftenAsAsked() throws {
        let augmentation = try Augmentation(.defaults(), height: 224, width: 224, channels: 3)
        let n = 20000
        var recipe = ViewRecipe()
        var (flips, jitters, grays, blurs) = (0, 0, 0, 0)
        var firsts: [String: Int] = [:]
        var (low, high) = (Float.infinity, -Float.infinity)
        for sample in 0..<n {
            augmentation.draw((256, 256), seed: 5, epoch: 2, sample: sample, view: 1, &recipe)
            flips += recipe.flip ? 1 : 0
            grays += recipe.operations.contains { $0 is Gray } ? 1 : 0
            blurs += recipe.operations.contains { $0 is GaussianBlur } ? 1 : 0
            let jitter = recipe.operations.filter { !($0 is Gray || $0 is GaussianBlur) }
            if let first = jitter.first {
                jitters += 1
                #expect(Set(jitter.map { "\(type(of: $0))" }).count == 4)
                firsts["\(type(of: first))", default: 0] += 1
            }
            for operation in recipe.operations {
                if let b = operation as? Brightness {
                    (low, high) = (min(low, b.factor), max(high, b.factor))
                }
                if let h = operation as? Hue { #expect(h.turns <= 0.1001 || h.turns >= 0.8999) }
                if let g = operation as? GaussianBlur {
                    #expect(g.radius == 11 && (0.1...2).contains(g.sigma))
                }
            }
        }
        func near(_ count: Int, _ p: Double, of n: Int) -> Bool {
            abs(Double(count) - p * Double(n)) < 5 * (p * (1 - p) * Double(n)).squareRoot()
        }
        #expect(
            near(flips, 0.5, of: n) && near(jitters, 0.8, of: n) && near(grays, 0.2, of: n)
                && near(blurs, 0.5, of: n))
        #expect(firsts.count == 4 && firsts.values.allSatisfy { near($0, 0.25, of: jitters) })
        #expect(low >= 0.6 && low < 0.601 && high <= 1.4 && high > 1.399)
    }

    @Test func kindsAndSizesDecideWhatIsDone() throws {
        var recipe = ViewRecipe()
        func names(_ options: AugmentationOptions, side: Int, channels: Int = 3) throws -> Set<
            String
        > {
            let augmentation = try Augmentation(
                options, height: side, width: side, channels: channels)
            var all = Set<String>()
            for sample in 0..<64 {
                augmentation.draw((200, 200), seed: 0, epoch: 0, sample: sample, view: 0, &recipe)
                all.formUnion(recipe.operations.map { "\(type(of: $0))" })
                if recipe.flip { all.insert("flip") }
                if recipe.crop != CropBox(height: 200, width: 200) { all.insert("crop") }
            }
            return all
        }
        let colors: Set = ["flip", "crop", "Brightness", "Contrast", "Saturation", "Hue", "Gray"]
        #expect(try names(.defaults(.none), side: 128) == [])
        #expect(try names(.defaults(.cropFlip), side: 128) == ["flip", "crop"])
        #expect(try names(.defaults(), side: 127) == colors)
        #expect(try names(.defaults(), side: 128) == colors.union(["GaussianBlur"]))
        for channels in [1, 2, 4] {
            #expect(
                try names(.defaults(), side: 32, channels: channels) == [
                    "flip", "crop", "Brightness", "Contrast",
                ])
        }
        var options = AugmentationOptions.defaults()
        options.blurProbability = 1
        #expect(try names(options, side: 32).contains("GaussianBlur"))
        #expect(try !names(options, side: 19).contains("GaussianBlur"))  // a kernel of one pixel
        (
            options.blurProbability, options.brightness, options.contrast, options.saturation,
            options.hue
        ) = (0, 0, 0, 0, 0)
        #expect(try names(options, side: 224) == ["flip", "crop", "Gray"])
        (options.jitterProbability, options.grayProbability, options.flipProbability) = (0, 1, 0)
        #expect(try names(options, side: 224) == ["crop", "Gray"])
        options.brightness = 3  // factors are not below 0
        options.jitterProbability = 1
        let augmentation = try Augmentation(options, height: 32, width: 32, channels: 1)
        for sample in 0..<200 {
            augmentation.draw((32, 32), seed: 0, epoch: 0, sample: sample, view: 0, &recipe)
            for operation in recipe.operations {
                if let b = operation as? Brightness { #expect((0...4).contains(b.factor)) }
            }
        }
    }

    /// Checks that views are bitwise equal for any number of threads, in any order, or one at a
    /// time; another seed, epoch, sample or view gives another picture.
    @Test func viewsHaveNamesNotHistories() throws {
        let (count, side, size) = (23, 20, 12)
        let pixels = testImage(side, side, 3, seed: 8)
        let repeated = (0..<count).flatMap { _ in pixels }
        let one = try Self.augmented(repeated, count: count, side: side)
        for threads in [2, 5] {
            #expect(try Self.augmented(repeated, count: count, side: side, threads: threads) == one)
        }
        let perView = size * size * 3
        #expect(
            Set((0..<count).map { Array(one[($0 * perView)..<(($0 + 1) * perView)]) }).count
                == count)
        #expect(one.allSatisfy { (0...1).contains($0) })

        let augmentation = try Augmentation(.defaults(), height: size, width: size, channels: 3)
        let workspace = AugmentationWorkspace()
        var single = [Float](repeating: 0, count: perView)
        for sample in [22, 0, 7] {
            try withView(pixels, side, side, 3) { image in
                try single.withUnsafeMutableBufferPointer {
                    try augmentation.apply(
                        image, seed: 1, epoch: 0, sample: sample, view: 0, workspace: workspace,
                        into: $0.baseAddress!)
                }
            }
            #expect(single == Array(one[(sample * perView)..<((sample + 1) * perView)]))
        }
        let others = try [
            Self.augmented(pixels, count: 1, side: side, seed: 2),
            Self.augmented(pixels, count: 1, side: side, epoch: 1),
            Self.augmented(pixels, count: 1, side: side, view: 1),
        ]
        #expect(Set(others + [Array(one[..<perView])]).count == 4)
    }

    @Test func kindNoneIsResize() throws {
        let pixels = testImage(20, 20, 3, seed: 4)
        let out = try Self.augmented(pixels, count: 1, side: 20, .defaults(.none))
        var resized = [Float](repeating: 0, count: out.count)
        try withView(pixels, 20, 20, 3) { image in
            try resized.withUnsafeMutableBufferPointer {
                try resize(image, into: $0.baseAddress!, height: 12, width: 12)
            }
        }
        #expect(out == resized)
    }

    /// Compares a whole view with the drawn crop and operations, applied one by one.
    @Test func aViewIsItsRecipe() throws {
        let pixels = testImage(50, 44, 3, seed: 10)
        var options = AugmentationOptions.defaults()
        options.blurProbability = 0.5
        let augmentation = try Augmentation(options, height: 40, width: 36, channels: 3)
        let workspace = AugmentationWorkspace()
        var recipe = ViewRecipe()
        for sample in 0..<40 {
            augmentation.draw((50, 44), seed: 9, epoch: 3, sample: sample, view: 1, &recipe)
            var expected = try withView(pixels, 50, 44, 3) {
                try workspace.rendered(
                    $0, crop: recipe.crop, flip: recipe.flip, height: 40, width: 36)
            }
            for step in recipe.operations {
                expected = try withView(expected, 40, 36, 3) {
                    try workspace.rendered($0, operations: [step], height: 40, width: 36)
                }
            }
            var out = [Float](repeating: 0, count: expected.count)
            try withView(pixels, 50, 44, 3) { image in
                try out.withUnsafeMutableBufferPointer {
                    try augmentation.apply(
                        image, seed: 9, epoch: 3, sample: sample, view: 1, workspace: workspace,
                        into: $0.baseAddress!)
                }
            }
            #expect(largestDifference(out, expected.map(Double.init)) < 2e-6)
        }
    }

    @Test func hostileOptionsAreNamed() throws {
        func message(_ change: (inout AugmentationOptions) -> Void) -> String {
            var options = AugmentationOptions.defaults()
            change(&options)
            do throws(SupConError) { try options.validate() } catch {
                return "\(error.kind): \(error.message)"
            }
            return "fine"
        }
        #expect(message { _ in } == "fine")
        #expect(
            message { $0.cropScaleMin = 0 }
                == "argument: crop_scale_min is 0.0; expected a number above 0, at most 1")
        #expect(
            message { $0.cropScaleMax = 1.5 }
                == "argument: crop_scale_max is 1.5; expected a number above 0, at most 1"
        )
        #expect(
            message { $0.cropScaleMax = 0.1 }
                == "argument: crop_scale_max is 0.1; expected crop_scale_min, 0.2, or more"
        )
        #expect(
            message { $0.cropRatioMin = -1 }
                == "argument: crop_ratio_min is -1.0; expected a number above 0")
        #expect(
            message { $0.cropRatioMax = .infinity }.hasPrefix("argument: crop_ratio_max is inf; "))
        #expect(
            message { $0.flipProbability = 1.01 }
                == "argument: flip_probability is 1.01; expected 0 to 1")
        #expect(
            message { $0.jitterProbability = .nan }
                == "argument: jitter_probability is nan; expected 0 to 1")
        #expect(
            message { $0.grayProbability = -0.5 }
                == "argument: gray_probability is -0.5; expected 0 to 1")
        #expect(
            message { $0.brightness = -1 } == "argument: brightness is -1.0; expected 0 or more")
        #expect(
            message { $0.contrast = .infinity } == "argument: contrast is inf; expected 0 or more")
        #expect(
            message { $0.saturation = .nan } == "argument: saturation is nan; expected 0 or more")
        #expect(message { $0.hue = 0.6 } == "argument: hue is 0.6; expected 0 to 0.5")
        #expect(
            message { $0.blurProbability = -0.5 }
                == """
                argument: blur_probability is -0.5; expected 0 to 1, or -1 for 0.5 if \
                the view's smaller side is 128 pixels or more, else 0
                """
        )
        #expect(
            message { $0.blurSigmaMin = 0 }
                == "argument: blur_sigma_min is 0.0; expected a number above 0")
        #expect(
            message { $0.blurSigmaMax = 0.05 }
                == "argument: blur_sigma_max is 0.05; expected blur_sigma_min, 0.1, or more"
        )
        for (epoch, view) in [(-1, 0), (0, -1), (0, 256), (1 << 32, 0)] {
            #expect(throws: SupConError.self) {
                try Self.augmented([1, 2, 3], count: 1, side: 1, epoch: epoch, view: view)
            }
        }
        #expect(throws: SupConError.self) {
            try Augmentation(.defaults(), height: 0, width: 5, channels: 3)
        }
        #expect(throws: SupConError.self) {
            try Augmentation(.defaults(), height: 5, width: 5, channels: 0)
        }
        let one = try Augmentation(.defaults(), height: 5, width: 5, channels: 1)
        var out = [Float](repeating: 0, count: 75)
        withView([1, 2, 3] as [UInt8], 1, 1, 3) { image in
            out.withUnsafeMutableBufferPointer { to in
                let error = #expect(throws: SupConError.self) {
                    try one.apply(
                        image, seed: 0, epoch: 0, sample: 0, view: 0,
                        workspace: AugmentationWorkspace(), into: to.baseAddress!)
                }
                #expect(error?.message == "the image has 3 channels; expected 1")
            }
        }
    }

    /// Checks that extreme but legal options give values within 0…1.
    @Test func extremeOptionsStayWithinBounds() throws {
        var options = AugmentationOptions.defaults()
        (options.brightness, options.contrast, options.saturation, options.hue) = (
            1e30, 1e30, 1e30, 0.5
        )
        (
            options.cropScaleMin, options.cropRatioMin, options.cropRatioMax,
            options.blurProbability
        ) = (1e-30, 1e-30, 1e30, 1)
        (options.blurSigmaMin, options.blurSigmaMax) = (
            .leastNonzeroMagnitude, .greatestFiniteMagnitude
        )
        try options.validate()
        let out = try Self.augmented(
            testImage(40, 40 * 16, 3, seed: 1), count: 16, side: 40, options, size: 24)
        #expect(out.allSatisfy { (0...1).contains($0) })
    }
}
