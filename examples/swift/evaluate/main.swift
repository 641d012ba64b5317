// Judges a model's embeddings: fits a linear probe, a nearest-neighbor vote and class prototypes
// on one labeled data set and tests them on another.
//
//     swift run -c release supcon-evaluate model.safetensors train-photos test-photos

import ExampleSupport
import Glibc
import SupCon

let usage = "supcon-evaluate MODEL TRAIN TEST"

/// [count, dimension] rows of length 1, and their labels.
func embedded(_ name: String, _ model: Model) throws(SupConError) -> (
    rows: [Float], labels: [Int64]
) {
    let dataset = try openDataset(name)
    guard let labels = dataset.labels else { throw SupConError(.state, "\(name) has no labels") }
    let count = dataset.count * model.outputDimension(.encoder)
    let rows = try AlignedBuffer(Float.self, count: count)
    try model.embed(dataset, EmbedOptions(), into: rows.floats)
    return (Array(UnsafeBufferPointer(start: rows.floats, count: count)), labels.map { Int64($0) })
}

exit(
    run { () throws(SupConError) in
        let arguments = try Arguments(usage: usage)
        guard arguments.plain.count == 3 else { throw SupConError(.argument, usage) }
        let model = try Model.load(arguments.plain[0], LoadOptions(), context: .default)
        let (train, test) = (
            try embedded(arguments.plain[1], model), try embedded(arguments.plain[2], model)
        )
        for method in EvaluateOptions.Method.allCases {
            let result = try evaluate(
                train: train.rows, trainLabels: train.labels, test: test.rows,
                testLabels: test.labels, dimension: model.outputDimension(.encoder),
                options: EvaluateOptions(method: method))
            print("\(method): top-1 \(Float(result.top1)), top-5 \(Float(result.top5))")
        }
    })
