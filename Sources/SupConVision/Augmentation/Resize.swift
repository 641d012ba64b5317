import SupConTensor

/// Resizes an image bilinearly, with antialiasing (Pillow's BILINEAR, torchvision's
/// antialias=True), to dense f32 [height, width, channels], 0…1. Errors: argument (sizes), memory.
package func resize(_ image: ImageView, into: UnsafeMutablePointer<Float>, height: Int, width: Int)
    throws(SupConError)
{
    try resize(image, into: into, height: height, width: width, workspace: AugmentationWorkspace())
}

/// Resizes a part of the image (nil: all of it), and normalizes it, with memory that is kept from
/// image to image. The part is cut out before resizing, or if the filter `reaches` beyond it, after
/// the whole image has been resized. Errors: argument, memory.
package func resize(
    _ image: ImageView, part: CropBox? = nil, reaches: Bool = false,
    into: UnsafeMutablePointer<Float>, height: Int,
    width: Int, _ normalization: Normalization = .none, workspace: AugmentationWorkspace
) throws(SupConError) {
    try checkSize("images", image.height, image.width, image.channels)
    try checkSize("resized images", height, width, image.channels)
    try workspace.render(
        image, crop: part ?? CropBox(height: image.height, width: image.width), flip: false,
        operations: [], height: height, width: width, normalization, into: into, reaches: reaches)
}
