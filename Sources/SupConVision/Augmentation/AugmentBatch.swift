import SupConTensor
import Synchronization

/// Makes the views that training would make of these images: view `view` in `epoch` of a run with
/// `seed`, where image i is sample i. `into` is dense [count, height, width, channels], 0…1, not
/// normalized. Errors: argument, shape, memory.
public func augment(
    _ images: ImageBatch, _ options: AugmentationOptions, seed: UInt64, epoch: Int, view: Int,
    height: Int, width: Int, into: UnsafeMutablePointer<Float>,
    context: ExecutionContext
) throws(SupConError) {
    try images.validate()
    try images.checkValues(warns: false)
    try require(
        images.count <= 1 << 32, .argument, "there are \(images.count) images; expected at most 2³²"
    )
    try require(
        epoch >= 0 && epoch < 1 << 32, .argument, "epoch is \(epoch); expected 0 to 2³² - 1")
    try require((0..<256).contains(view), .argument, "view is \(view); expected 0 to 255")
    let augmentation = try Augmentation(
        options, height: height, width: width, channels: images.channels)
    let perView = height * width * images.channels
    let failure = Mutex<SupConError?>(nil)
    let watch = context.watch()
    nonisolated(unsafe) let output = into
    Parallel.ranges(images.count, grain: max(1, 65536 / perView), threads: context.threads) {
        range in
        let workspace = AugmentationWorkspace(context)
        do throws(SupConError) {
            for i in range {
                try watch.check()
                try augmentation.apply(
                    images[i], seed: seed, epoch: epoch, sample: i, view: view,
                    workspace: workspace, into: output + i * perView)
            }
        } catch {
            failure.withLock { if $0 == nil { $0 = error } }
        }
    }
    if let error = failure.withLock({ $0 }) { throw error }
}

/// Makes the views that training would make of the images at `indices` of a data set, each
/// identified by its own index. Errors: argument, io, format (a file that has become unreadable),
/// canceled, memory.
public func augment(
    _ dataset: Dataset, indices: [Int], _ options: AugmentationOptions, seed: UInt64, epoch: Int,
    view: Int, height: Int, width: Int,
    into: UnsafeMutablePointer<Float>, context: ExecutionContext
) throws(SupConError) {
    try require(
        epoch >= 0 && epoch < 1 << 32, .argument, "epoch is \(epoch); expected 0 to 2³² - 1")
    try require((0..<256).contains(view), .argument, "view is \(view); expected 0 to 255")
    try dataset.checkIndices(indices)
    let augmentation = try Augmentation(
        options, height: height, width: width, channels: dataset.channels)
    let perView = height * width * dataset.channels
    let failure = Mutex<SupConError?>(nil)
    let watch = context.watch()
    nonisolated(unsafe) let output = into
    let gate = DecodeGate(context)
    Parallel.ranges(
        indices.count, grain: max(1, 65536 / perView),
        threads: dataset.needsCallingThread ? 1 : context.threads
    ) { range in
        let (workspace, reader) = (AugmentationWorkspace(context), ImageReader(dataset, gate))
        do throws(SupConError) {
            for i in range {
                try watch.check()
                let size = try reader.open(indices[i])
                augmentation.draw(
                    size, seed: seed, epoch: epoch, sample: indices[i], view: view,
                    &workspace.recipe)
                let image = try reader.pixels(
                    atLeast: workspace.recipe.crop.smallestFraction(height: height, width: width),
                    of: augmentation.part(of: size, by: workspace.recipe))
                try augmentation.apply(
                    workspace.recipe, to: image, fullSize: size, frame: reader.frame, .none,
                    workspace: workspace,
                    into: output + i * perView)
            }
        } catch {
            failure.withLock { if $0 == nil { $0 = error } }
        }
    }
    if let error = failure.withLock({ $0 }) { throw error }
}
