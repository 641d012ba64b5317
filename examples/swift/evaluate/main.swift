// Judges a model's embeddings: fits a linear probe, a nearest-neighbor vote and class prototypes
// on one labeled data set and tests them on another.
//
//     swift run -c release supcon-evaluate model.safetensors train-photos test-photos

import ExampleSupport
import Glibc
import SupCon

let usage = "supcon-evaluate MODEL TRAIN TEST"

/// The rows, of length 1, and their labels.
func embedded(_ name: String, _ model: Model) throws(SupConError) -> (
    rows: Embeddings, labels: [Int]
) {
    let dataset = try openDataset(name)
    guard let labels = dataset.labels else { throw SupConError(.state, "\(name) has no labels") }
    return (try model.embed(dataset), labels)
}

exit(
    run { () throws(SupConError) in
        let arguments = try Arguments(usage: usage)
        guard arguments.plain.count == 3 else { throw SupConError(.argument, usage) }
        let model = try Model.load(arguments.plain[0])
        let (train, test) = (
            try embedded(arguments.plain[1], model), try embedded(arguments.plain[2], model)
        )
        for method in EvaluateOptions.Method.allCases {
            let result = try train.rows.evaluate(
                labels: train.labels, on: test.rows, testLabels: test.labels,
                EvaluateOptions(method: method))
            print("\(method): top-1 \(Float(result.top1)), top-5 \(Float(result.top5))")
        }
    })
