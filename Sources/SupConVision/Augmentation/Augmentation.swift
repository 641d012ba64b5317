import SupConTensor

/// An augmentation makes views of images. All randomness of a view comes from Philox(seed,
/// augmentation, epoch, sample, view), so that threads, order and other views do not matter.
///
/// Brightness, contrast and the operations of policies change all channels; saturation, hue and
/// gray change only images of three channels. Everything is computed in f32; except for equalize,
/// which works on 256 levels, nothing is rounded in between.
package struct Augmentation: Sendable {
    package let options: AugmentationOptions
    /// The size and the channels of the views.
    package let height, width, channels: Int
    private let resizing: Resizing

    /// Makes an augmentation. `resizing` is the way in which views of the kind `none` are brought
    /// to their size. Errors: argument.
    package init(
        _ options: AugmentationOptions, height: Int, width: Int, channels: Int,
        resizing: Resizing = .squash
    ) throws(SupConError) {
        try options.validate()
        try checkSize("views", height, width, channels)
        (self.options, self.resizing) = (options, resizing)
        (self.height, self.width, self.channels) = (height, width, channels)
    }

    /// Makes view `view` of an image that is sample `sample` of its data set. `into` is dense
    /// [height, width, channels], 0…1 before normalization. Errors: argument (the image's size),
    /// shape (its channels), memory.
    package func apply(
        _ image: ImageView, seed: UInt64, epoch: Int, sample: Int, view: Int,
        _ normalization: Normalization = .none, workspace: AugmentationWorkspace,
        into: UnsafeMutablePointer<Float>
    ) throws(SupConError) {
        try checkSize("images", image.height, image.width, image.channels)
        draw(
            (image.height, image.width), seed: seed, epoch: epoch, sample: sample, view: view,
            &workspace.recipe)
        try apply(
            workspace.recipe, to: image, fullSize: (image.height, image.width),
            frame: CropBox(height: image.height, width: image.width), normalization,
            workspace: workspace, into: into)
    }

    /// Makes a view by a recipe drawn for an image of `fullSize`. The given image may be smaller,
    /// and shows the part in `frame`. Errors: shape, memory.
    func apply(
        _ recipe: ViewRecipe, to image: ImageView, fullSize: (height: Int, width: Int),
        frame: CropBox,
        _ normalization: Normalization, workspace: AugmentationWorkspace,
        into: UnsafeMutablePointer<Float>
    ) throws(SupConError) {
        try require(
            image.channels == channels, .shape,
            "the image has \(image.channels) channels; expected \(channels)")
        try workspace.render(
            image, crop: recipe.crop.mapped(from: fullSize, to: frame),
            flip: recipe.flip, operations: recipe.operations, height: height,
            width: width, normalization, into: into, reaches: reaches)
    }

    /// Whether a view draws on pixels beyond its crop: those of an image that is resized whole.
    private var reaches: Bool { options.kind == .none && resizing == .crop }

    /// Returns the part of an image of this size that a view by `recipe` draws on.
    func part(of size: (height: Int, width: Int), by recipe: ViewRecipe) -> CropBox {
        reaches ? CropBox(height: size.height, width: size.width) : recipe.crop
    }

    /// Draws all random decisions about one view of an image of the given size.
    func draw(
        _ size: (height: Int, width: Int), seed: UInt64, epoch: Int, sample: Int, view: Int,
        _ recipe: inout ViewRecipe
    ) {
        recipe.operations.removeAll(keepingCapacity: true)
        recipe.crop = resizing.box(of: size, for: (height, width))
        recipe.flip = false
        if options.kind == .none { return }
        var random = Philox(
            seed: seed, purpose: .augmentation, epoch: epoch, sample: sample, view: view)
        recipe.crop = CropBox(
            randomIn: size, scale: (options.cropScaleMin, options.cropScaleMax),
            ratio: (options.cropRatioMin, options.cropRatioMax), &random)
        recipe.flip = random.uniform() < options.flipProbability
        switch options.kind {
        case .none, .cropFlip: return
        case .simclr, .simAugment, .stackedRandAugment:
            if random.uniform() < options.jitterProbability {
                drawJitter(&random, &recipe.operations)
            }
            if options.kind == .stackedRandAugment { drawRandAugment(&random, &recipe.operations) }
            if random.uniform() < options.grayProbability && channels == 3 {
                recipe.operations.append(Gray())
            }
            if options.kind != .simclr && random.uniform() < options.warpProbability {
                drawWarp(&random, &recipe.operations)
            }
            if random.uniform() < blurProbability {
                let blur = GaussianBlur(
                    sigma: random.uniform(options.blurSigmaMin, options.blurSigmaMax),
                    height: height, width: width)
                if blur.radius > 0 { recipe.operations.append(blur) }
            }
        case .autoAugmentImageNet:
            drawAutoAugment(AutoAugment.imageNet, &random, &recipe.operations)
        case .autoAugmentCIFAR10: drawAutoAugment(AutoAugment.cifar10, &random, &recipe.operations)
        case .randAugment: drawRandAugment(&random, &recipe.operations)
        }
        switch options.kind {
        case .autoAugmentImageNet, .autoAugmentCIFAR10, .randAugment:
            if options.cutout > 0 { drawCutout(&random, &recipe.operations) }
        default: break
        }
    }

    private var blurProbability: Float {
        options.blurProbability >= 0 ? options.blurProbability : min(height, width) >= 128 ? 0.5 : 0
    }

    /// Draws brightness, contrast, saturation and hue, in random order (torchvision's ColorJitter).
    private func drawJitter(_ random: inout Philox, _ operations: inout [any ImageOperation]) {
        func factor(_ spread: Float) -> Float { random.uniform(max(0, 1 - spread), 1 + spread) }
        let (brightness, contrast, saturation) = (
            factor(options.brightness), factor(options.contrast), factor(options.saturation)
        )
        let turns = random.uniform(-options.hue, options.hue)
        var order = SIMD4<UInt8>(0, 1, 2, 3)
        for i in [3, 2, 1] {  // Fisher and Yates
            let j = random.index(below: i + 1)
            (order[i], order[j]) = (order[j], order[i])
        }
        for i in 0..<4 {
            switch order[i] {
            case 0: if brightness != 1 { operations.append(Brightness(factor: brightness)) }
            case 1: if contrast != 1 { operations.append(Contrast(factor: contrast)) }
            case 2:
                if saturation != 1 && channels == 3 {
                    operations.append(Saturation(factor: saturation))
                }
            default: if turns != 0 && channels == 3 { operations.append(Hue(turns: turns)) }
            }
        }
    }
}

/// Throws unless a size is valid. Errors: argument.
func checkSize(_ what: String, _ height: Int, _ width: Int, _ channels: Int) throws(SupConError) {
    try require(
        height > 0 && width > 0 && height <= 65536 && width <= 65536, .argument,
        "\(what) are \(height)×\(width); expected 1 to 65536 pixels a side")
    try require(
        (1...4).contains(channels), .argument, "\(what) have \(channels) channels; expected 1 to 4")
}
