// Trains an encoder with the supervised contrastive loss, fits a linear classifier on it, and saves
// both as one file.
//
//     swift run -c release supcon-train photos --output model.safetensors --epochs 100
//     swift run -c release supcon-train IMAGES.gz,LABELS.gz --width 16 --epochs 4

import ExampleSupport
import Glibc
import SupCon

let usage = """
    supcon-train DATA [--output model.safetensors] [--preset NAME] [--architecture resnet18] \
    [--width 64] [--size 32] [--epochs 100] [--batch 256] [--chunk 0]
                 [--rate 0.1]
    DATA: a folder with a folder of JPEG, PNG and WebP files per class, or IMAGES,LABELS: two IDX \
    files
    NAME: a published recipe, which the other options change: \
    \(Preset.all.map(\.name).joined(separator: ", "))
    """

exit(
    run { () throws(SupConError) in
        let arguments = try Arguments(usage: usage)
        guard arguments.plain.count == 1 else { throw SupConError(.argument, usage) }
        let dataset = try openDataset(arguments.plain[0])

        let name = arguments.text("preset", "")
        let preset = name.isEmpty ? nil : try Preset.named(name)
        var options = preset?.model ?? ModelOptions()
        options.architecture = try Architecture(
            named: arguments.text("architecture", options.architecture.rawValue))
        options.width = try arguments.number("width", options.width)
        options.channels = dataset.channels
        options.imageHeight = try arguments.number(
            "size", preset?.model.imageHeight ?? dataset.height ?? 32)
        options.imageWidth = try arguments.number(
            "size", preset?.model.imageWidth ?? dataset.width ?? 32)
        let model = try Model(options)

        var training = preset?.train ?? TrainOptions()
        training.epochs = try arguments.number("epochs", training.epochs)
        training.batchSize = try arguments.number("batch", training.batchSize)
        training.chunkSize = try arguments.number("chunk", training.chunkSize)
        training.learningRate = try arguments.number("rate", training.learningRate)
        let trainer = try Trainer(model, dataset, training)
        print("a step takes \(trainer.memoryByteCount >> 20) MiB")
        try trainer.run { event in
            switch event.kind {
            case .step:
                print(
                    """
                    \repoch \(event.epoch)/\(event.epochs)  step \(event.step)/\(event.steps) \
                     loss \(Float(event.loss))  \(Int(event.imagesPerSecond)) images/s  
                    """
                        + "\(Int(event.secondsLeft)) s left    ", terminator: "")
                fflush(nil)
            case .epoch:
                print(
                    """
                    \repoch \(event.epoch)/\(event.epochs)  loss \(Float(event.loss))  kNN@1 \
                    \(Float(event.knnAccuracy))  \(Int(event.imagesPerSecond)) images/s       \
                       
                    """
                )
            case .warning:
                print("\n\(event.message)")
            }
            return true
        }
        if training.objective.isContrastive { try model.fitClassifier(dataset) }
        let path = arguments.text("output", "model.safetensors")
        try model.save(path)
        print("saved \(path)")
    })
