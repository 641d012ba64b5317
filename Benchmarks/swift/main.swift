import Glibc
import SupCon

// Times the library's own work and prints one JSON line per case, named as the peers' cases are. Arguments: the groups to run (all if none).

/// Threads that compute: THREADS, 2 if it is not set.
let threads = getenv("THREADS").flatMap { Int(String(cString: $0)) } ?? 2
let groups: [(name: String, run: () throws -> Void)] = [
    ("augment", timeAugmentation),
    (
        "train-step",
        {
            for precision in [Precision.f32, .bf16] {
                try trainStep("resnet18-cifar 32x32 128 views", .resnet18, .cifar, width: 64, channels: 3, side: 32, views: 128, precision)
                try trainStep("resnet18-cifar width 16 28x28x1 512 views", .resnet18, .cifar, width: 16, channels: 1, side: 28, views: 512, precision)
                try trainStep("resnet50 224x224 16 views", .resnet50, .imagenet, width: 64, channels: 3, side: 224, views: 16, precision)
            }
        }
    ),
    (
        "embed",
        {
            for (architecture, images, runs) in [(Architecture.resnet18, 1, 31), (.resnet18, 32, 9), (.resnet50, 1, 21), (.resnet50, 16, 9)] {
                try embed(architecture, images: images, runs: runs)
            }
        }
    ),
    (
        "loss",
        {
            for (views, runs) in [(512, 21), (2048, 11), (8192, 7), (65_536, 1)] { try loss(views, dimension: 128, runs: runs) }
        }
    ),
]
let wanted = CommandLine.arguments.dropFirst()
for group in groups where wanted.isEmpty || wanted.contains(group.name) { try group.run() }
