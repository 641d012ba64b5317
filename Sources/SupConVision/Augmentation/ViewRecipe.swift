/// A view recipe holds all random decisions about one view.
struct ViewRecipe {
    /// The crop, in pixels of the image at full size.
    var crop = CropBox(height: 1, width: 1)
    var flip = false
    /// The operations, in order. The array's memory is reused for the next view.
    var operations: [any ImageOperation] = []

    init() { operations.reserveCapacity(8) }
}
