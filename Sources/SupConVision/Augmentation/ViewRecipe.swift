/// All random decisions about one view.
struct ViewRecipe {
    /// In pixels of the image at full size.
    var crop = CropBox(height: 1, width: 1)
    var flip = false
    /// In order; the array's memory is used again for the next view.
    var operations: [any ImageOperation] = []

    init() { operations.reserveCapacity(8) }
}
