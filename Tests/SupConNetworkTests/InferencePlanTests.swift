import SupConTensor
import Testing

@testable import SupConNetwork

/// Checks that a plan's results do not depend on how its threads share the images: all on one
/// layer, or each with its own.
@Suite struct InferencePlanTests {
    private static func features(
        _ network: Network, images: Int, threads: Int, _ precision: Precision,
        _ quantization: Quantization? = nil
    ) throws -> [Float] {
        let plan = try InferencePlan(
            network, images: images, height: 64, width: 48, precision: precision,
            quantization: quantization, context: ExecutionContext(threads: threads))
        for i in 0..<(images * 64 * 48 * 3) {
            plan.input[i] = Float((i * 37 + i / 9216 * 11) % 101) / 50 - 1
        }
        // Work that is left to one thread would show nothing.
        #expect(
            ComputeGraph(network.configuration, height: 64, width: 48).multiplications(
                images: images)
                >= Double(InferencePlan.smallWork))
        plan.run()
        plan.reloadWeights()
        plan.run()
        return Array(
            UnsafeBufferPointer(
                start: plan.features, count: images * network.configuration.embeddingDimension))
    }

    @Test(arguments: [Stem.cifar, .imagenet]) func doesNotDependOnTheThreads(_ stem: Stem) throws {
        var configuration = NetworkConfiguration()
        (configuration.stem, configuration.width, configuration.zeroInitLastGamma) = (
            stem, 48, false
        )
        let network = try Network(configuration, seed: 1)
        let precisions = Precision.allCases.filter { (try? Engine.standard.check($0)) != nil }
        for precision in precisions {
            let one = try Self.features(network, images: 6, threads: 1, precision)
            // 2, 3: lanes; 4: none.
            for threads in [2, 3, 4] {
                let found = try Self.features(network, images: 6, threads: threads, precision)
                let scale = one.reduce(0) { max($0, abs($1)) }
                #expect(
                    scale > 0
                        && zip(one, found).allSatisfy {
                            abs($0 - $1) <= (precision == .f32 ? 1e-5 : 0.02) * scale
                        }, "\(precision), \(threads) threads")
            }
            // The images differ, so that lanes that took each other's would be seen.
            #expect(abs(one[0] - one[configuration.embeddingDimension]) > 1e-6)
        }
        guard (try? Engine.standard.checkInt8()) != nil else { return }
        let calibration = try RangeCalibration(
            network, images: 2, height: 64, width: 48, context: ExecutionContext(threads: 2))
        for i in 0..<(2 * 64 * 48 * 3) {
            calibration.input[i] = Float((i * 37 + i / 9216 * 11) % 101) / 50 - 1
        }
        calibration.addImages()
        let quantization = try calibration.quantization()
        let one = try Self.features(network, images: 6, threads: 1, .f32, quantization)
        for threads in [2, 3, 4] {
            #expect(
                try Self.features(network, images: 6, threads: threads, .f32, quantization) == one)
        }
    }

    @Test func leavesWhatIsNotWanted() throws {
        var configuration = NetworkConfiguration()
        (configuration.width, configuration.classes) = (8, 3)
        let network = try Network(configuration, seed: 1)
        let plan = try InferencePlan(
            network, images: 1, height: 16, width: 16, precision: .f32,
            context: ExecutionContext(threads: 1))
        for i in 0..<768 { plan.input[i] = Float(i % 7) }
        let (projection, logits) = (try #require(plan.projection), try #require(plan.logits))
        (projection[0], logits[0]) = (77, 77)
        plan.run(projection: false, logits: true)
        #expect(projection[0] == 77 && logits[0] != 77)
        plan.run(projection: true, logits: false)
        #expect(projection[0] != 77)
    }
}
