import SupConTensor
import SupConVision

/// A model input turns images by strides into [height, width, channels] f32, resized if their size
/// differs, and normalized.
struct ModelInput: Sendable {
    let height: Int
    let width: Int
    private let channels: Int
    private let resizing: Resizing
    private let normalization: Normalization

    /// Makes the input of a model. Errors: argument, shape (of the model's mean and std, which were
    /// checked when it was made).
    init(_ model: Model) throws(SupConError) {
        (height, width, resizing) = (model.imageHeight, model.imageWidth, model.resizing)
        channels = model.channels
        normalization = try Normalization(mean: model.mean, std: model.std)
    }

    /// The elements of one image.
    var imageCount: Int { height * width * channels }

    /// Writes an image of `size` pixels, which lies in `frame` of the given pixels; nil: these are
    /// the whole image. It has the model's channels; `workspace` is the memory of one thread for
    /// resizing. Errors: memory (for resizing).
    func write(
        _ image: ImageView, size: (height: Int, width: Int)? = nil, frame: CropBox? = nil,
        to floats: UnsafeMutablePointer<Float>, _ workspace: AugmentationWorkspace
    ) throws(SupConError) {
        let size = size ?? (image.height, image.width)
        let part = resizing.box(of: size, for: (height, width)).mapped(
            from: size, to: frame ?? CropBox(height: image.height, width: image.width))
        if image.height == height && image.width == width
            && part == CropBox(height: height, width: width)
        {
            normalization.write(image, to: floats)
        } else {
            try resize(
                image, part: part, reaches: resizing == .crop, into: floats, height: height,
                width: width, normalization, workspace: workspace)
        }
    }
}
