import Foundation
import SupConTensor
import Testing

@testable import SupConTraining

@Suite struct BatchMixerTests {
    private let shape = BatchMixer.Shape(batch: 5, height: 6, width: 4, channels: 2)

    /// Compares images and labels with those mixed by hand from the mixing that the step draws.
    @Test(arguments: [(0.4, 0.0), (0.0, 1.0), (1.0, 1.0)])
    func mixesByItsClosedForm(_ alphas: (Double, Double)) throws {
        let mixer = try BatchMixer(
            shape, own: 0..<shape.batch, paired: [0..<shape.batch], mixupAlpha: alphas.0,
            cutmixAlpha: alphas.1, seed: 4,
            threads: 2)
        let count = shape.imageCount, images = (0..<5 * count).map { Float($0 % 97) - 40 },
            labels: [Int64] = [3, 1, 4, 1, 5]
        var (blends, cuts) = (0, 0)
        for step in 0..<60 {
            let mixing = mixer.mixing(step: step)
            #expect(
                mixing.order.sorted() == Array(0..<5) && mixing.fraction >= 0
                    && mixing.fraction <= 1)
            if mixing.box == nil { blends += 1 } else { cuts += 1 }
            var input = [Float](repeating: -999, count: 5 * count)
            mixer.mix(images, labels: labels, step: step, into: &input)
            for i in 0..<5 {
                let j = mixing.order[i]
                var own = 0
                for y in 0..<6 {
                    for x in 0..<4 {
                        for c in 0..<2 {
                            let k = (y * 4 + x) * 2 + c,
                                (a, b) = (images[i * count + k], images[j * count + k])
                            if let box = mixing.box {
                                let pasted = box.rows.contains(y) && box.columns.contains(x)
                                own += pasted ? 0 : 1
                                #expect(input[i * count + k] == (pasted ? b : a))
                            } else {
                                #expect(
                                    abs(
                                        input[i * count + k] - Float(mixing.fraction) * a - Float(
                                            1 - mixing.fraction) * b) < 1e-4)
                            }
                        }
                    }
                }
                // CutMix: λ is the share of the area that is the image's own.
                if mixing.box != nil {
                    #expect(abs(mixing.fraction - Double(own) / Double(count)) < 1e-9)
                }
                // Each label with its share, the greater one first.
                let (first, second, share) = (
                    mixer.firstLabels[i], mixer.secondLabels[i], Double(mixer.firstFractions[i])
                )
                #expect(share >= 0.5)
                let ownFirst = mixing.fraction >= 0.5
                #expect(
                    (first, second) == (
                        ownFirst ? labels[i] : labels[j], ownFirst ? labels[j] : labels[i]
                    ))
                #expect(abs(share - max(mixing.fraction, 1 - mixing.fraction)) < 1e-6)
            }
        }
        #expect((blends > 0) == (alphas.0 > 0) && (cuts > 0) == (alphas.1 > 0))
        if alphas.0 > 0 && alphas.1 > 0 { #expect(blends > 15 && cuts > 15) }
    }

    @Test func aMixingIsNamedBySeedAndStep() throws {
        func mixer(_ seed: UInt64, threads: Int = 2) throws -> BatchMixer {
            try BatchMixer(
                shape, own: 0..<shape.batch, paired: [0..<shape.batch], mixupAlpha: 0.2,
                cutmixAlpha: 1, seed: seed,
                threads: threads)
        }
        let (one, same, other) = (try mixer(1), try mixer(1, threads: 1), try mixer(2))
        for step in 0..<5 { #expect(one.mixing(step: step) == same.mixing(step: step)) }
        #expect(
            (0..<5).contains { one.mixing(step: $0) != other.mixing(step: $0) }
                && one.mixing(step: 0) != one.mixing(step: 1))
    }

    /// Checks the mean ½ and the variance 1/(4(2α + 1)) of Beta(α, α).
    @Test(arguments: [0.001, 0.2, 1.0, 3.0, 1000.0])
    func betaHasItsMoments(_ alpha: Double) {
        var random = Philox(seed: 7, purpose: .test)
        let n = 20_000, values = (0..<n).map { _ in random.beta(alpha) }
        let mean = values.reduce(0, +) / Double(n),
            variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(n)
        let expected = 1 / (4 * (2 * alpha + 1))
        #expect(values.allSatisfy { $0 >= 0 && $0 <= 1 })
        #expect(
            abs(mean - 0.5) < 5 * (expected / Double(n)).squareRoot()
                && abs(variance - expected) < 0.04 * expected, "\(mean) \(variance)")
    }
}
