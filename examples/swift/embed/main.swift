// Embeds images with a trained model: one line of comma-separated numbers for each.
//
//     swift run -c release supcon-embed model.safetensors photos > embeddings.csv

import ExampleSupport
import Glibc
import SupCon

let usage = "supcon-embed MODEL DATA [--output encoder|projection|probabilities]"

exit(
    run { () throws(SupConError) in
        let arguments = try Arguments(usage: usage)
        guard arguments.plain.count == 2 else { throw SupConError(.argument, usage) }
        let model = try Model.load(arguments.plain[0])
        let parts = arguments.plain[1].split(separator: ",").map(String.init)
        // The images come with as many channels as the model takes.
        let asModel = DatasetOptions(channels: model.channels)
        let dataset =
            parts.count == 2
            ? try Dataset.idx(images: parts[0], labels: parts[1], options: asModel)
            : try Dataset.folder(arguments.plain[1], options: asModel)
        var options = EmbedOptions()
        let name = arguments.text("output", "encoder")
        guard let output = EmbedOutput.allCases.first(where: { "\($0)" == name }) else {
            throw SupConError(
                .argument,
                """
                --output is \"\(name)\"; expected one of \
                \(EmbedOutput.allCases.map { "\($0)" }.joined(separator: ", "))
                """
            )
        }
        options.output = output
        let embeddings = try model.embed(dataset, options)
        for image in 0..<embeddings.count {
            let numbers = embeddings[image].map { "\($0)" }.joined(separator: ",")
            print(dataset.path(image).map { $0 + "," + numbers } ?? numbers)
        }
    })
