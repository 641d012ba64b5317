import CKernels
import SupConTensor
import SupConVision

/// Images by strides → what a network takes: [height, width, channels] f32, (x − mean) / std of x
/// in 0…1, resized where the size differs.
struct PixelNormalization: Sendable {
    let height: Int
    let width: Int
    let channels: Int
    private let resizing: Resizing
    /// x ↦ x·scale + shift, for bytes and for floats.
    private let byteScale, floatScale, shift: [Float]

    init(_ model: Model) {
        (height, width, channels) = (model.imageHeight, model.imageWidth, model.channels)
        resizing = model.resizing
        byteScale = model.std.map { Float(1 / (255 * Double($0))) }
        floatScale = model.std.map { Float(1 / Double($0)) }
        shift = zip(model.mean, model.std).map { Float(-Double($0) / Double($1)) }
    }

    /// Floats of one image.
    var imageCount: Int { height * width * channels }

    /// Writes an image of `size` pixels, which lies in `frame` of the pixels at hand; nil: they are
    /// it. It has the model's channels; `workspace` is memory for resizing, of one thread. Errors:
    /// memory (of resizing).
    func write(
        _ image: ImageView, size: (height: Int, width: Int)? = nil, frame: CropBox? = nil,
        to floats: UnsafeMutablePointer<Float>,
        _ workspace: AugmentationWorkspace
    ) throws(SupConError) {
        let size = size ?? (image.height, image.width)
        let part = resizing.box(of: size, for: (height, width)).mapped(
            from: size, to: frame ?? CropBox(height: image.height, width: image.width))
        let isAsLarge = image.height == height && image.width == width
        guard isAsLarge && part == CropBox(height: height, width: width) else {
            try resize(
                image, part: part, reaches: resizing == .crop, into: floats, height: height,
                width: width,
                workspace: workspace)
            return sc_normalize_row_f32(
                floats, Int64(height * width), Int64(channels), Int64(channels), 1, floatScale,
                shift, floats)
        }
        let isDense =
            image.channelStride == 1 && image.columnStride == channels
            && image.rowStride == width * channels
        let (rows, columns) = isDense ? (1, height * width) : (height, width)
        for row in 0..<rows {
            let (from, to) = (
                image.data + row * image.rowStride * image.element.byteCount,
                floats + row * columns * channels
            )
            switch image.element {
            case .u8:
                sc_normalize_row_u8(
                    from.assumingMemoryBound(to: UInt8.self), Int64(columns), Int64(channels),
                    Int64(image.columnStride), Int64(image.channelStride), byteScale, shift, to)
            case .f32:
                sc_normalize_row_f32(
                    from.assumingMemoryBound(to: Float.self), Int64(columns), Int64(channels),
                    Int64(image.columnStride), Int64(image.channelStride), floatScale, shift, to)
            }
        }
    }
}
