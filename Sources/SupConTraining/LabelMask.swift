import SupConLoss
import SupConTensor

/// The mask of a batch whose labels are numbers: how much of a positive an image is falls with the distance of the labels.
final class LabelMask {
    private let samples: Int
    private let bandwidth: Double
    private let context: ExecutionContext
    private let values: AlignedBuffer
    private let mask: AlignedBuffer

    /// Errors: memory.
    init(samples: Int, bandwidth: Double, context: ExecutionContext) throws(SupConError) {
        (self.samples, self.bandwidth, self.context) = (samples, bandwidth, context)
        try context.checkMemory(samples * (samples * 4 + 8), for: "the mask of a batch of \(samples) images")
        values = try AlignedBuffer(Double.self, count: samples)
        mask = try AlignedBuffer(Float.self, count: samples * samples)
    }

    var memoryByteCount: Int { values.byteCount + mask.byteCount }

    /// [samples, samples], by labels [samples]. Errors: none but internal ones.
    func fill(_ labels: UnsafePointer<Int64>) throws(SupConError) -> UnsafePointer<Float> {
        let numbers = values.values(of: Double.self)
        for sample in 0..<samples { numbers[sample] = Double(labels[sample]) }
        try PositiveMasks.fill(mask.floats, values: numbers, samples: samples, count: 1, bandwidth: bandwidth, context: context)
        return UnsafePointer(mask.floats)
    }
}
