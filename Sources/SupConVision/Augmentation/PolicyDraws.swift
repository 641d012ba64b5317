import SupConTensor

/// The random draws of AutoAugment, RandAugment, warp and cutout for a view. Each draws the same
/// number of variates whatever they result in.
extension Augmentation {
    /// Draws one of the sub-policies, and each of its operations with its probability.
    func drawAutoAugment(
        _ policy: [(AutoAugment.Step, AutoAugment.Step)], _ random: inout Philox,
        _ operations: inout [any ImageOperation]
    ) {
        let (first, second) = policy[random.index(below: policy.count)]
        for step in [first, second] {
            let (comes, negative) = (random.uniform() < step.probability, random.uniform() < 0.5)
            if comes {
                append(
                    step.operation, strength: step.magnitude / 9, negative: negative, &operations)
            }
        }
    }

    /// Draws the requested number of the fourteen operations, with repetition.
    func drawRandAugment(_ random: inout Philox, _ operations: inout [any ImageOperation]) {
        for _ in 0..<options.randAugmentOperations {
            let operation = PolicyOperation.randAugment[
                random.index(below: PolicyOperation.randAugment.count)]
            append(
                operation, strength: options.randAugmentMagnitude / 30,
                negative: random.uniform() < 0.5, &operations)
        }
    }

    private func append(
        _ operation: PolicyOperation, strength: Float, negative: Bool,
        _ operations: inout [any ImageOperation]
    ) {
        let made = operation.made(
            strength: strength, negative: negative, height: height, width: width,
            channels: channels, fill: options.fill)
        if let made { operations.append(made) }
    }

    func drawWarp(_ random: inout Philox, _ operations: inout [any ImageOperation]) {
        if let warp = RandomWarp(
            strength: options.warpStrength, height: height, width: width, &random)
        {
            operations.append(warp)
        }
    }

    /// Draws a square centered at a random pixel.
    func drawCutout(_ random: inout Philox, _ operations: inout [any ImageOperation]) {
        let side = Int((options.cutout * Float(min(height, width))).rounded())
        let (y, x) = (random.index(below: height), random.index(below: width))
        if side > 0 {
            operations.append(
                Cutout(top: y - side / 2, left: x - side / 2, side: side, fill: options.fill))
        }
    }
}
