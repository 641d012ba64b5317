// swift-tools-version: 6.1
import Foundation
import PackageDescription

/// Every Swift target is built with the same settings.
let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
]
let oneDNN: TargetDependencyCondition? = .when(traits: ["OneDNN"])

/// A floor of the house: a Swift target, with what it may import.
func floor(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    // Tests read their fixtures where they lie.
    let fixtures =
        FileManager.default.fileExists(
            atPath: Context.packageDirectory + "/Tests/" + name + "Tests/Fixtures")
        ? ["Fixtures"] : []
    return .testTarget(
        name: name + "Tests", dependencies: dependencies + [.target(name: name), "CTestLevel"],
        exclude: fixtures,
        swiftSettings: swiftSettings)
}

/// A program that shows the Swift API.
func example(_ name: String) -> Target {
    .executableTarget(
        name: "supcon-" + name, dependencies: ["SupCon", "ExampleSupport"],
        path: "examples/swift/" + name, swiftSettings: swiftSettings)
}

/// The version script of libsupcon.so, by its full path: a build may be started in any folder.
let exports = Context.packageDirectory + "/Sources/SupConC/exports.map"

let package = Package(
    name: "libsupcon",
    products: [
        .library(name: "supcon", type: .dynamic, targets: ["SupConC"]),
        .library(name: "SupCon", targets: ["SupCon"]),
    ],
    traits: [
        .trait(
            name: "OneDNN",
            description:
                "Convolutions by oneDNN (f32 and bf16); without it by im2col and OpenBLAS (f32)"),
        .default(enabledTraits: ["OneDNN"]),
    ],
    targets: [
        // 0: the libraries
        .systemLibrary(
            name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(
            name: "CTurboJPEG", pkgConfig: "libturbojpeg",
            providers: [.apt(["libturbojpeg0-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(
            name: "CWebP", pkgConfig: "libwebp", providers: [.apt(["libwebp-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(
            name: "COneDNN", dependencies: ["CKernels"],
            cSettings: [.define("SUPCON_ONEDNN", .when(traits: ["OneDNN"]))],
            linkerSettings: [
                .linkedLibrary("dnnl", .when(traits: ["OneDNN"])),
                .linkedLibrary(":libgomp.so.1", .when(traits: ["OneDNN"])),
            ]),
        .target(name: "CKernels"),
        .systemLibrary(name: "CSupCon", path: "include"),
        // 1: the ground
        floor("SupConTensor", ["CKernels", "COpenBLAS", "COneDNN"]),
        // 2: networks, losses, images
        floor("SupConNetwork", ["SupConTensor", "CKernels", "COneDNN"]),
        floor("SupConLoss", ["SupConTensor", "CKernels"]),
        floor(
            "SupConVision", ["SupConTensor", "CKernels", "CTurboJPEG", "CPNG", "CWebP", "CZlib"]),
        // 3: models; evaluation of embeddings
        floor(
            "SupConModel",
            ["SupConTensor", "SupConNetwork", "SupConVision", "CKernels", "CZlib"]),
        floor("SupConEvaluation", ["SupConTensor", "CKernels"]),
        // 4: training
        floor(
            "SupConTraining",
            [
                "SupConTensor", "SupConNetwork", "SupConLoss", "SupConVision", "SupConModel",
                "SupConEvaluation", "CKernels",
            ]),
        // 5: the Swift API
        floor(
            "SupCon",
            [
                "SupConTensor", "SupConNetwork", "SupConLoss", "SupConVision", "SupConModel",
                "SupConEvaluation", "SupConTraining",
            ]),
        // 6: the C API
        .target(
            name: "SupConC", dependencies: ["CSupCon", "CKernels", "SupCon"],
            exclude: ["exports.map"],
            swiftSettings: swiftSettings,
            linkerSettings: [
                .unsafeFlags(
                    [
                        "-soname", "libsupcon.so.1", "--version-script=\(exports)",
                        // Its threads and thread-local data outlive dlclose(): it stays loaded.
                        "-z", "nodelete",
                        // The tables that calls go through are read-only once it is loaded.
                        "-z", "relro", "-z", "now",
                    ].flatMap { ["-Xlinker", $0] })
            ]),

        // Examples: swift run -c release supcon-train …
        .target(
            name: "ExampleSupport", dependencies: ["SupCon"], path: "examples/swift/support",
            swiftSettings: swiftSettings),
        example("train"),
        example("embed"),
        example("evaluate"),
        .target(name: "CLimit", path: "Benchmarks/limit"),
        .executableTarget(
            name: "benchmark", dependencies: ["SupCon", "CLimit", "CTurboJPEG", "CTestLevel"],
            path: "Benchmarks/swift", swiftSettings: swiftSettings),

        // Tests and benchmarks run at the instruction set that SUPCON_TEST_LEVEL names.
        .target(
            name: "CTestLevel", dependencies: ["CKernels", "COneDNN"], path: "Tests/CTestLevel"),
        .target(
            name: "TestSupport", dependencies: ["SupConTensor"], path: "Tests/Support",
            swiftSettings: swiftSettings),
        tests("SupConTensor", ["CKernels"]),
        tests("SupConNetwork", ["SupConTensor", "TestSupport"]),
        tests("SupConLoss", ["SupConTensor", "TestSupport"]),
        tests("SupConVision", ["SupConTensor", "CTurboJPEG", "TestSupport"]),
        tests(
            "SupConModel", ["SupConTensor", "SupConNetwork", "SupConVision", "TestSupport"]),
        tests("SupConEvaluation", ["SupConTensor", "TestSupport"]),
        tests(
            "SupConTraining",
            [
                "SupConTensor", "SupConNetwork", "SupConLoss", "SupConVision", "SupConModel",
                "SupConEvaluation", "TestSupport",
            ]),
        tests("SupCon", []),
    ],
    cLanguageStandard: .c11
)

// Only the tests of these targets are built, and no programs: SUPCON_TEST_TARGETS="A B" swift test
if let wanted = Context.environment["SUPCON_TEST_TARGETS"]?.split(separator: " ") {
    package.targets.removeAll { target in
        target.type == .executable
            || target.type == .test && !wanted.contains { $0 == target.name }
    }
}
