import CKernels
import SupConTensor

/// A range calibration prepares int8: it runs images through the encoder in f32, counts the
/// magnitudes of every value, and chooses for each the range with the least squared error.
package final class RangeCalibration {
    private let network: Network
    private let plan: InferencePlan
    private let graph: ComputeGraph
    /// The histogram [SC_MAGNITUDES] of each value.
    private let counts: [AlignedBuffer]

    /// Makes a calibration for images of the given size, a number of them at a time. Errors:
    /// argument, memory.
    package init(
        _ network: Network, images: Int, height: Int, width: Int, context: ExecutionContext
    )
        throws(SupConError)
    {
        try Engine.standard.checkInt8()
        self.network = network
        plan = try InferencePlan(
            network, images: images, height: height, width: width, precision: .f32, context: context
        )
        graph = ComputeGraph(network.configuration, height: height, width: width)
        var counts: [AlignedBuffer] = []
        for _ in graph.values {
            counts.append(try AlignedBuffer(Int64.self, count: Int(SC_MAGNITUDES)))
        }
        self.counts = counts
    }

    /// The normalized images [images, height, width, channels], which the caller writes.
    package var input: UnsafeMutablePointer<Float> { plan.input }

    /// Counts the magnitudes of the images in `input`.
    package func addImages() {
        plan.run { value, elements, count in
            sc_count_magnitudes(elements, Int64(count), counts[value].values(of: Int64.self))
        }
    }

    /// Returns the quantization with the chosen ranges. Errors: argument.
    package func quantization() throws(SupConError) -> Quantization {
        var ranges = graph.values.indices.map { value in
            MagnitudeCounts(counts[value].values(of: Int64.self)).bestRange(
                levels: graph.mayBeNegative(value) ? 127 : 255)
        }
        // A max pool's outputs are among its inputs, in the same steps.
        for case .maxPool(let input, let output) in graph.layers {
            ranges[output] = ranges[input]
        }
        return try Quantization(ranges: ranges, for: network.configuration)
    }
}

/// The histogram of the magnitudes of a value, in bins given by the upper bits of a float.
struct MagnitudeCounts {
    private var bins: [(magnitude: Float, width: Float, count: Float)] = []

    init(_ counts: UnsafePointer<Int64>) {
        // From the first bin of normal numbers to the last finite one; 0 costs nothing.
        for bin in (1 << 7)..<0x7F80 where counts[bin] > 0 {
            let (low, high) = (
                Float(bitPattern: UInt32(bin) << 16), Float(bitPattern: UInt32(bin + 1) << 16)
            )
            if high.isFinite { bins.append(((low + high) / 2, high - low, Float(counts[bin]))) }
        }
    }

    /// Returns the range R for which steps of R/levels lose least: min Σ (v − step ·
    /// min(round(v/step), levels))²; 1 if nothing was counted.
    func bestRange(levels: Float) -> Float {
        guard let largest = bins.last.map({ $0.magnitude + $0.width / 2 }), largest > 1e-12 else {
            return 1
        }
        var best = (range: largest, loss: Float.infinity)
        var range = largest
        for _ in 0..<50 {
            let found = loss(range: range, levels: levels)
            if found < best.loss { best = (range, found) }
            range *= 0.95
        }
        return best.range
    }

    private func loss(range: Float, levels: Float) -> Float {
        let step = range / levels
        var sum: Float = 0
        for bin in bins {
            let told = step * min((bin.magnitude / step).rounded(), levels)
            let difference = bin.magnitude - told
            // In a bin wider than a step, values lie anywhere between steps.
            sum +=
                bin.count
                * (bin.width > step && bin.magnitude < range
                    ? step * step / 12 : difference * difference)
        }
        return sum
    }
}
