import Glibc

// benchmark WORK NAME=VALUE …: times one piece of work and prints a JSON line (or several).
// Benchmarks/run.py has the table of cases.

let works: [String: (Arguments) throws -> Void] = [
    "limit": measureLimit, "train-step": trainStep, "busy": busy, "foreign": foreign,
    "layers": profileLayers, "loss": timeLoss, "augment": timeAugmentation, "jpeg": timeJPEG,
    "write-jpeg": writeJPEG,
]

let words = CommandLine.arguments.dropFirst()
guard let name = words.first, let work = works[name] else {
    print("usage: benchmark \(works.keys.sorted().joined(separator: "|")) NAME=VALUE …")
    exit(2)
}
try work(try Arguments(words.dropFirst()))
