import SupConTensor

/// A loader worker runs on one thread: it takes images off the queue and makes their views.
final class LoaderWorker {
    /// The plan that all workers of a loader share.
    // Threads write disjoint parts of the memory, which is read when all are done.
    struct Plan: @unchecked Sendable {
        var augmentation: Augmentation
        /// The augmentation of the views after an image's first.
        var second: Augmentation
        var normalization: Normalization
        var views: Int
        var seed: UInt64
        var slots: [UnsafeMutablePointer<Float>]
        var gate: DecodeGate
        var replacements: Replacements

        var perView: Int { augmentation.height * augmentation.width * augmentation.channels }
    }

    private let plan: Plan
    private let queue: LoaderQueue
    private let workspace: AugmentationWorkspace
    private var recipes: [ViewRecipe]
    private var reader: ImageReader
    private var read: Dataset

    init(_ plan: Plan, _ queue: LoaderQueue) {
        (self.plan, self.queue) = (plan, queue)
        workspace = AugmentationWorkspace(plan.gate.context)
        recipes = (0..<plan.views).map { _ in ViewRecipe() }
        reader = ImageReader(queue.dataset, plan.gate)
        read = queue.dataset
    }

    func run() {
        while let task = queue.take() {
            if task.dataset !== read {
                (reader, read) = (ImageReader(task.dataset, plan.gate), task.dataset)
            }
            var failure: (sample: Int, error: SupConError)?
            var replaced: [(sample: Int, index: Int)] = []
            for sample in task.samples {
                do throws(SupConError) {
                    let index = task.indices[sample]
                    let made = try plan.replacements.make(index, epoch: task.epoch) {
                        (image) throws(SupConError) in try make(task, sample, image)
                    }
                    if made != index { replaced.append((sample, made)) }
                } catch {
                    failure = (sample, error)
                    break
                }
            }
            queue.finish(task, replaced, failure)
        }
    }

    /// Makes all views of one image, which is decoded once, as small as the most demanding view
    /// allows and no further down than the views reach. A replacement uses the random numbers of
    /// the image that it replaces, so that its views differ from those at its own index.
    private func make(_ task: LoaderQueue.Task, _ sample: Int, _ image: Int) throws(SupConError) {
        let index = task.indices[sample]
        defer { reader.close() }
        let size = try reader.open(task.isMaterialized ? sample : image)
        // The second occurrence of an image in an epoch has the views after those of the first.
        // They are numbered in 24 bits.
        let firstView = Int(task.repetitions[sample] & 0xFFFF) * plan.views
        var (fraction, part) = (0.0, CropBox?.none)
        func augmentation(_ view: Int) -> Augmentation {
            view == 0 ? plan.augmentation : plan.second
        }
        for v in 0..<plan.views {
            let augmentation = augmentation(v)
            augmentation.draw(
                size, seed: plan.seed, epoch: task.epoch, sample: index, view: firstView + v,
                &recipes[v])
            fraction = max(
                fraction,
                recipes[v].crop.smallestFraction(
                    height: augmentation.height, width: augmentation.width))
            let own = augmentation.part(of: size, by: recipes[v])
            part = part?.union(own) ?? own
        }
        let image = try reader.pixels(atLeast: fraction, of: part)
        let out = plan.slots[task.batch % queue.slotCount] + sample * plan.views * plan.perView
        for v in 0..<plan.views {
            try augmentation(v).apply(
                recipes[v], to: image, fullSize: size, frame: reader.frame, plan.normalization,
                workspace: workspace,
                into: out + v * plan.perView)
        }
    }
}
