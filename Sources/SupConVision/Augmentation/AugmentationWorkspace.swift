import SupConTensor

/// An augmentation workspace holds the memory for making views. It is kept from view to view, so
/// that after the first ones nothing is allocated. It serves one thread.
package final class AugmentationWorkspace {
    let resampler: Resampler
    var recipe = ViewRecipe()
    private let planes, operationMemory: Scratch

    /// Makes a workspace. The memory limit of `context` applies to each part of it.
    package init(_ context: ExecutionContext = .default) {
        resampler = Resampler(context)
        (planes, operationMemory) = (Scratch(context), Scratch(context))
    }

    /// Makes the view that `recipe` describes of `image`, with `crop` in its pixels: dense [height,
    /// width, channels].
    ///
    /// The image is processed as planes, in strips of about 1,500 pixels, which are resampled,
    /// changed by each operation in turn, and written out while they are in the first-level cache.
    /// Only an operation that needs the whole image (contrast needs its mean) makes a second pass.
    /// Errors: memory.
    func render(
        _ image: ImageView, crop: CropBox, flip: Bool, operations: [any ImageOperation],
        height: Int, width: Int, _ normalization: Normalization,
        into: UnsafeMutablePointer<Float>, reaches: Bool = false
    ) throws(SupConError) {
        try resampler.prepare(
            image, box: crop, flip: flip, height: height, width: width, reaches: reaches)
        let (channels, count) = (image.channels, height * width)
        let stripRows = min(max(1536 / width, 1), height)
        let whole = operations.contains { $0.needs != .pixel }
        // Planes a multiple of 4 KiB apart would share cache sets.
        let plane = roundedUp(whole ? count : stripRows * width) + 80
        let spare = operations.contains { $0.needs == .neighbors }
        let floats = try planes.reserve((spare ? 2 : 1) * channels * plane * 4).assumingMemoryBound(
            to: Float.self)
        var current = PlanarImage(
            first: floats, plane: plane, channels: channels, height: height, width: width)
        var other = PlanarImage(
            first: floats + (spare ? channels * plane : 0), plane: plane, channels: channels,
            height: height, width: width)

        var (next, resampled, mean) = (0, false, Float?.none)
        while true {
            // This pass applies the operations up to the next one that needs the whole image.
            let first = next
            while next < operations.count,
                operations[next].needs == .pixel
                    || operations[next].needs == .grayMean && next == first && mean != nil
            { next += 1 }
            let isLast = next == operations.count
            let wantsMean = !isLast && operations[next].needs == .grayMean
            var sum = 0.0
            if !resampled || first < next || isLast || wantsMean {
                for row in stride(from: 0, to: height, by: stripRows) {
                    let rows = row..<min(row + stripRows, height)
                    let strip = PlanarPixels(
                        first: current.first + (whole ? row * width : 0), plane: plane,
                        channels: channels, count: rows.count * width)
                    if !resampled { resampler.rows(rows, into: strip.first, plane: plane) }
                    for operation in first..<next {
                        operations[operation].apply(strip, grayMean: mean ?? 0)
                    }
                    if wantsMean { sum += strip.graySum() }
                    if isLast { normalization.write(strip, to: into + row * width * channels) }
                }
            }
            if isLast { return }
            (resampled, mean) = (true, wantsMean ? Float(sum / Double(count)) : nil)
            if !wantsMean {
                let operation = operations[next]
                let scratch = try operationMemory.reserve(
                    operation.scratchCount(height: height, width: width) * 4)
                operation.apply(
                    current, into: other, scratch: scratch.assumingMemoryBound(to: Float.self))
                swap(&current, &other)
                next += 1
            }
        }
    }
}
