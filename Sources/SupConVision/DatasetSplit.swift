import Glibc
import SupConTensor

extension Dataset {
    /// Splits the data set at random, class by class: `second` gets about `fraction` of the images.
    /// Each class with two images or more gives at least one to each part, and a single image goes
    /// to `first`. Without labels all images are one class. Both parts keep the order of the
    /// images; equal seeds give equal parts.
    ///
    /// A class of n images gives ⌊n·fraction + r + ½⌋ of them, where r is the remainder of rounding
    /// from the classes before, so that many small classes do not add up to a part that is too
    /// small or too large. Errors: argument (fraction not within 0 to 1, fewer than two images).
    public func split(
        fraction: Double, seed: UInt64, context: ExecutionContext = .default
    ) throws(SupConError) -> (first: Dataset, second: Dataset) {
        try require(
            fraction > 0 && fraction < 1, .argument,
            "fraction is \(fraction); expected more than 0 and less than 1")
        try require(count >= 2, .argument, "\(count) images cannot be split; expected two or more")
        try Self.checkListMemory(count, for: "splitting \(count) images", context: context)
        let members = classMembers() ?? [(0, Array(0..<count))]
        var isSecond = [Bool](repeating: false, count: count)
        var remainder = 0.0
        for (index, indices) in members where indices.count >= 2 {
            let exact = Double(indices.count) * fraction + remainder
            let rounded = (exact + 0.5).rounded(.down)
            remainder = exact - rounded
            let taken = min(max(Int(rounded), 1), indices.count - 1)
            var stream = Philox(seed: seed, purpose: .split, sample: index)
            for member in stream.permutation(indices.count).prefix(taken) {
                isSecond[indices[member]] = true
            }
        }
        return (
            part((0..<count).filter { !isSecond[$0] }),
            part((0..<count).filter { isSecond[$0] })
        )
    }
}
