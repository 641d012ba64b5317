import SupConTensor
import Testing

@testable import SupConVision

@Suite struct PolicyTests {
    let workspace = AugmentationWorkspace()

    /// Compares the operation of each magnitude of a policy, and its result, with torchvision in
    /// double precision. At ties of nearest pixels the two may differ.
    @Test(arguments: PolicyReference.shared.operations)
    func operationsAgreeWithTorchvision(_ reference: PolicyReference.Operation) throws {
        let (h, w, c) = (reference.height, reference.width, reference.channels)
        let operation = try #require(PolicyOperation(torchvision: reference.name))
        let made = operation.made(
            strength: Float(reference.magnitude) / 9, negative: reference.negative, height: h,
            width: w, channels: c, fill: 0.25)
        let out = try withView(testImage(h, w, c, seed: reference.seed), h, w, c) {
            try workspace.rendered($0, operations: [try #require(made)], height: h, width: w)
        }
        let sampled = stride(from: 0, to: out.count, by: 7).map { Double(out[$0]) }
        #expect(sampled.count == reference.result.count)
        let different = zip(sampled, reference.result).count { abs($0 - $1) > 1e-4 }
        let isGeometry = made is Affine
        #expect(
            different <= (isGeometry ? sampled.count / 100 : 0),
            "\(reference.name) \(reference.magnitude): \(different) of \(sampled.count)")
    }

    @Test func subPoliciesAreThePublishedOnes() throws {
        for (name, ours) in [("imageNet", AutoAugment.imageNet), ("cifar10", AutoAugment.cifar10)] {
            let theirs = try #require(PolicyReference.shared.policies[name])
            #expect(ours.count == 25 && theirs.count == 25)
            for (pair, expected) in zip(ours, theirs) {
                for (step, other) in zip([pair.0, pair.1], expected) {
                    #expect(
                        step.operation == PolicyOperation(torchvision: other.name)
                            && step.probability == other.probability
                            && step.magnitude == other.magnitude)
                }
            }
        }
        #expect(
            PolicyOperation.randAugment
                == PolicyReference.shared.space.compactMap(PolicyOperation.init(torchvision:)))
        #expect(PolicyOperation.randAugment.count == 14)
    }

    /// Compares a thin-plate spline with scipy's in double precision.
    @Test(arguments: PolicyReference.shared.warps)
    func warpsAgreeWithScipy(_ reference: PolicyReference.Warp) throws {
        let points = zip(reference.points, reference.flows).map {
            RandomWarp.Point(y: $0[0], x: $0[1], flowY: $1[0], flowX: $1[1])
        }
        let warp = try #require(RandomWarp(points: points))
        let (h, w) = (reference.height, reference.width)
        let out = try withView(testImage(h, w, 3, seed: reference.seed), h, w, 3) {
            try workspace.rendered($0, operations: [warp], height: h, width: w)
        }
        #expect(
            largestDifference(
                stride(from: 0, to: out.count, by: 7).map { out[$0] }, reference.result) < 5e-4)
    }

    @Test func warpsOfPointsThatCoincideAreNone() {
        #expect(
            RandomWarp(points: [RandomWarp.Point](repeating: .init(y: 3, x: 4), count: 4)) == nil)
        var random = Philox(seed: 0, purpose: .test)
        for (h, w) in [(1, 1), (1, 40), (7, 2)] {
            _ = RandomWarp(strength: 1, height: h, width: w, &random)
        }
    }

    /// Checks that each sub-policy is drawn equally often, and each step with its probability, its
    /// magnitude and both signs.
    @Test func autoAugmentDrawsItsSubPolicies() throws {
        let n = 30000
        let augmentation = try Augmentation(
            .defaults(.autoAugmentImageNet), height: 64, width: 64, channels: 3)
        var recipe = ViewRecipe()
        var counts: [String: Int] = [:]
        var (rotations, left) = (0, 0)
        for sample in 0..<n {
            augmentation.draw((64, 64), seed: 1, epoch: 1, sample: sample, view: 0, &recipe)
            #expect(recipe.operations.count <= 2)
            for operation in recipe.operations {
                counts["\(type(of: operation))", default: 0] += 1
                if let turn = operation as? Affine, turn.matrix.4 != 1 {
                    rotations += 1
                    left += turn.matrix.3 > 0 ? 1 : 0
                }
            }
        }
        var expected: [String: Double] = [:]
        for pair in AutoAugment.imageNet {
            for step in [pair.0, pair.1] {
                let made = step.operation.made(
                    strength: 0.5, negative: false, height: 64, width: 64, channels: 3, fill: 0.5)
                expected["\(type(of: try #require(made)))", default: 0] +=
                    Double(step.probability) / 25
            }
        }
        #expect(Set(counts.keys) == Set(expected.keys))
        for (name, share) in expected {
            #expect(
                abs(Double(counts[name] ?? 0) - share * Double(n)) < 5
                    * (share * Double(n)).squareRoot(), "\(name)")
        }
        #expect(
            abs(Double(left) - Double(rotations) / 2) < 5 * (Double(rotations) / 4).squareRoot())
    }

    @Test func randAugmentDrawsAsManyAsAsked() throws {
        var options = AugmentationOptions.defaults(.randAugment)
        (options.randAugmentOperations, options.randAugmentMagnitude) = (3, 30)
        let augmentation = try Augmentation(options, height: 50, width: 40, channels: 3)
        var recipe = ViewRecipe()
        let n = 8000
        var (total, posterized, moved) = (0, 0, 0)
        for sample in 0..<n {
            augmentation.draw((50, 40), seed: 1, epoch: 1, sample: sample, view: 0, &recipe)
            total += recipe.operations.count
            for operation in recipe.operations {
                if let it = operation as? Posterize {
                    posterized += 1
                    #expect(it.bits == 4)
                }
                if let it = operation as? Affine, it.matrix.2 != 0, it.matrix.0 == 1,
                    it.matrix.1 == 0
                {
                    moved += 1
                    #expect(abs(it.matrix.2) == Float(Int(150.0 / 331 * 40)))
                }
                if let it = operation as? Brightness {
                    #expect(abs(abs(it.factor - 1) - 0.9) < 1e-6)
                }
            }
        }
        func near(_ count: Int, _ share: Double) -> Bool {
            abs(Double(count) - share * Double(3 * n)) < 5 * (share * Double(3 * n)).squareRoot()
        }
        #expect(near(total, 13.0 / 14) && near(posterized, 1.0 / 14) && near(moved, 1.0 / 14))
        options.randAugmentOperations = 0
        try Augmentation(options, height: 50, width: 40, channels: 3).draw(
            (50, 40), seed: 1, epoch: 1, sample: 0, view: 0, &recipe)
        #expect(recipe.operations.isEmpty)
    }

    /// Checks the order jitter → RandAugment → gray → warp → blur and its probabilities, and that
    /// SimAugment is the same without RandAugment.
    @Test func stackedRandAugmentKeepsItsOrder() throws {
        for kind in [AugmentationOptions.Kind.simAugment, .stackedRandAugment] {
            let augmentation = try Augmentation(
                .defaults(kind), height: 128, width: 128, channels: 3)
            var recipe = ViewRecipe()
            let n = 4000
            var (warps, blurs, grays, policies) = (0, 0, 0, 0)
            for sample in 0..<n {
                augmentation.draw((128, 128), seed: 3, epoch: 0, sample: sample, view: 1, &recipe)
                let places = recipe.operations.map { operation -> Int in
                    switch operation {
                    case is Hue: 0
                    case is Affine, is Sharpness, is Posterize, is Solarize, is AutoContrast,
                        is Equalize:
                        1
                    case is Gray: 2
                    case is RandomWarp: 3
                    case is GaussianBlur: 4
                    default: -1
                    }
                }.filter { $0 >= 0 }
                #expect(places == places.sorted())
                policies += places.count { $0 == 1 }
                (grays, warps, blurs) = (
                    grays + places.count { $0 == 2 }, warps + places.count { $0 == 3 },
                    blurs + places.count { $0 == 4 }
                )
            }
            func near(_ count: Int, _ p: Double) -> Bool {
                abs(Double(count) - p * Double(n)) <= 5 * (p * Double(n)).squareRoot()
            }
            #expect(
                near(grays, 0.2) && near(warps, 0.5) && near(blurs, 0.5)
                    && near(policies, kind == .simAugment ? 0 : 20.0 / 14))
        }
    }

    @Test func cutoutFillsASquare() throws {
        var options = AugmentationOptions.defaults(.autoAugmentCIFAR10)
        (options.cutout, options.fill) = (0.5, 0.123)
        let augmentation = try Augmentation(options, height: 20, width: 30, channels: 1)
        var recipe = ViewRecipe()
        for sample in 0..<100 {
            augmentation.draw((20, 30), seed: 3, epoch: 0, sample: sample, view: 1, &recipe)
            let last = try #require(recipe.operations.last as? Cutout)
            let pixels = testImage(20, 30, 1, seed: sample)
            let out = try withView(pixels, 20, 30, 1) {
                try workspace.rendered($0, operations: [last], height: 20, width: 30)
            }
            for y in 0..<20 {
                for x in 0..<30 {
                    let inside =
                        (last.top..<(last.top + 10)).contains(y)
                        && (last.left..<(last.left + 10)).contains(x)
                    #expect(
                        abs(out[y * 30 + x] - (inside ? 0.123 : Float(pixels[y * 30 + x]) / 255))
                            < 1e-6)
                }
            }
        }
    }

    /// Tests every kind on any channels and sizes, with options at their limits: values are within
    /// 0…1, and equal for any number of threads.
    @Test(arguments: AugmentationOptions.Kind.allCases, [1, 2, 3, 4])
    func anyImage(_ kind: AugmentationOptions.Kind, _ channels: Int) throws {
        var extreme = AugmentationOptions.defaults(kind)
        (extreme.warpProbability, extreme.warpStrength, extreme.fill, extreme.cutout) = (1, 1, 1, 1)
        (extreme.randAugmentOperations, extreme.randAugmentMagnitude, extreme.blurProbability) = (
            16, 30, 1
        )
        for options in [.defaults(kind), extreme] {
            for (h, w) in [(1, 1), (1, 9), (3, 2), (33, 17)] {
                let pixels = (0..<6).flatMap { testImage(h, w, channels, seed: $0) }
                func views(_ threads: Int) throws -> [Float] {
                    var out = [Float](repeating: .nan, count: pixels.count)
                    try pixels.withUnsafeBytes { bytes in
                        let images = ImageBatch(
                            dense: try #require(bytes.baseAddress), element: .u8, count: 6,
                            height: h, width: w, channels: channels)
                        try out.withUnsafeMutableBufferPointer {
                            try augment(
                                images, options, seed: 4, epoch: 2, view: 1, height: h, width: w,
                                into: try #require($0.baseAddress),
                                context: ExecutionContext(threads: threads))
                        }
                    }
                    return out
                }
                let one = try views(1)
                #expect(one.allSatisfy { $0 >= 0 && $0 <= 1 })
                #expect(try views(3) == one)
            }
        }
    }

    @Test func hostileOptionsAreNamed() {
        func message(_ change: (inout AugmentationOptions) -> Void) -> String {
            var options = AugmentationOptions.defaults(.randAugment)
            change(&options)
            do throws(SupConError) { try options.validate() } catch {
                return "\(error.kind): \(error.message)"
            }
            return "fine"
        }
        #expect(
            message { $0.randAugmentOperations = -1 }
                == "argument: randaugment_operations is -1; expected 0 to 16")
        #expect(
            message { $0.randAugmentMagnitude = 31 }
                == "argument: randaugment_magnitude is 31.0; expected 0 to 30")
        #expect(
            message { $0.randAugmentMagnitude = .nan }
                == "argument: randaugment_magnitude is nan; expected 0 to 30")
        #expect(
            message { $0.warpProbability = 2 }
                == "argument: warp_probability is 2.0; expected 0 to 1")
        #expect(
            message { $0.warpStrength = -1 } == "argument: warp_strength is -1.0; expected 0 to 1")
        #expect(message { $0.fill = .infinity } == "argument: fill is inf; expected 0 to 1")
        #expect(
            message { $0.cutout = 1.5 } == "argument: cutout is 1.5; expected 0 to 1, 0 for none")
    }

    /// Checks that a loader's first view is made by one augmentation and the others by the other,
    /// each as by `augment`.
    @Test func viewsMayBeMadeDifferently() throws {
        let (count, side) = (4, 12)
        let pixels = (0..<count).flatMap { testImage(side, side, 3, seed: $0) }
        try pixels.withUnsafeBytes { bytes in
            let images = ImageBatch(
                dense: try #require(bytes.baseAddress), element: .u8, count: count, height: side,
                width: side, channels: 3)
            let dataset = try Dataset.images(images)
            let loader = try Loader(
                dataset, .defaults(.none), second: .defaults(.autoAugmentCIFAR10), views: 3,
                height: side, width: side, mean: [0, 0, 0], std: [1, 1, 1], seed: 7,
                threads: 2, batchSize: count)
            try loader.begin(epoch: 5, batches: [[2, 0, 3, 1]])
            let batch = try loader.next()
            let perView = side * side * 3
            for view in 0..<3 {
                let kind: AugmentationOptions =
                    view == 0 ? .defaults(.none) : .defaults(.autoAugmentCIFAR10)
                var expected = [Float](repeating: 0, count: count * perView)
                try expected.withUnsafeMutableBufferPointer {
                    try augment(
                        dataset, indices: batch.indices, kind, seed: 7, epoch: 5, view: view,
                        height: side, width: side, into: try #require($0.baseAddress),
                        context: .default)
                }
                for s in 0..<count {
                    let made = UnsafeBufferPointer(
                        start: batch.pixels + (s * 3 + view) * perView, count: perView)
                    #expect(Array(made) == Array(expected[(s * perView)..<((s + 1) * perView)]))
                }
            }
        }
    }
}
