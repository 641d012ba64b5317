import SupCon
import SupConNetwork

/// Embedding on two threads, pixels in a plan's input; int8 calibrated on the same numbers.
func embed(_ architecture: Architecture, images: Int, runs: Int, _ precisions: [String] = ["f32", "bf16", "int8"]) throws {
    var configuration = NetworkConfiguration()
    (configuration.architecture, configuration.stem, configuration.head, configuration.zeroInitLastGamma) = (architecture, .imagenet, .none, false)
    let network = try Network(configuration, seed: 0)
    let context = try ExecutionContext(threads: threads)
    var random = Philox(seed: 1, purpose: .test)
    let pixels = (0..<(images * 224 * 224 * 3)).map { _ in random.normal() }
    for precision in precisions {
        var quantization: Quantization?
        if precision == "int8" {
            let calibration = try Calibration(network, images: 1, height: 224, width: 224, context: context)
            calibration.input.update(from: pixels, count: 224 * 224 * 3)
            calibration.addImages()
            quantization = try calibration.quantization()
        }
        let plan = try InferencePlan(
            network, images: images, height: 224, width: 224, precision: precision == "f32" ? .f32 : .bf16, quantization: quantization, context: context)
        plan.input.update(from: pixels, count: pixels.count)
        report("embed \(architecture.rawValue) 224x224 batch \(images)", "libsupcon \(precision)", runs: runs, warmUp: 2) { plan.run() }
    }
}
