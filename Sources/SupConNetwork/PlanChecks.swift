import SupConTensor

/// Throws unless the sizes of a plan are valid and their products do not overflow. Errors:
/// argument, shape, unsupported.
func checkPlanSizes(
    _ network: Network, images: Int, height: Int, width: Int, precision: Precision, engine: Engine
) throws(SupConError) {
    try require(images > 0, .argument, "a plan is for \(images) images; expected 1 or more")
    try require(
        height > 0 && width > 0, .argument, "images are \(height)×\(width); expected 1×1 or more")
    // With this bound no product of sizes can overflow.
    let most = 1 << 34
    let pixels = images.multipliedReportingOverflow(by: height)
    let all = pixels.partialValue.multipliedReportingOverflow(by: width)
    try require(
        !pixels.overflow && !all.overflow && all.partialValue <= most, .memory,
        "\(images) images of \(height)×\(width) are more than the \(most) pixels a plan can hold")
    try engine.check(precision)
}
