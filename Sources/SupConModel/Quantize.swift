import SupConNetwork
import SupConTensor
import SupConVision

extension Model {
    /// The largest number of images used for calibration.
    static let calibrationImages = 512

    /// Makes the encoder embed in int8 (about twice as fast as bf16, or as f32 on CPUs without
    /// bf16) until its parameters change. It is calibrated on `dataset`, some hundreds of images
    /// similar to those to be embedded; of more than 512, 512 evenly spaced ones are used. nil:
    /// back to `precision`. Nobody else may use the model meanwhile. Errors: argument (no image),
    /// shape, state (in use), unsupported (this build or CPU), memory, io, format, canceled; after
    /// an error nothing has changed.
    public func quantize(_ dataset: Dataset?) throws(SupConError) {
        try exclusive(keepsEncoder: true) { () throws(SupConError) in
            setQuantization(
                try dataset.map { (images) throws(SupConError) in try calibrate(images) })
        }
    }

    /// Calibrates on up to 512 images of a data set, within `exclusive`; the model stays as it is.
    /// Unreadable images are left out if the data set skips them. Errors: those of `quantize`.
    package func calibrate(_ dataset: Dataset) throws(SupConError) -> Quantization {
        try requireExclusive("calibrating")
        try Engine.standard.checkInt8()
        try checkChannels(dataset.channels)
        try require(
            dataset.count > 0, .argument, "there is no image to calibrate on; expected 1 or more")
        let count = min(dataset.count, Self.calibrationImages)
        let images = try dataset.subset((0..<count).map { $0 * dataset.count / count })
        return try usingReadable(images) { (images) throws(SupConError) in
            var batches = BatchSizes(
                chosen: 0, pixels: imageHeight * imageWidth, threads: context.threads)
            while true {
                let batch = min(images.count, batches.next(images.count))
                do throws(SupConError) {
                    return try calibrate(images, batch: batch)
                } catch {
                    guard error.kind == .memory, batches.giveUp(batch) else { throw error }
                }
            }
        }.result
    }

    private func calibrate(_ images: Dataset, batch: Int) throws(SupConError) -> Quantization {
        let calibration = try RangeCalibration(
            network, images: batch, height: imageHeight, width: imageWidth, context: context)
        // The last batch begins earlier so that it is whole.
        for first in stride(from: 0, to: images.count, by: batch) {
            let range = min(first, images.count - batch)..<min(first + batch, images.count)
            try read(images, range, to: calibration.input)
            calibration.addImages()
        }
        return try calibration.quantization()
    }
}
