/// Throws unless weights are valid. Errors: argument (a weight below 0 or not finite; weights that
/// are all 0).
package func checkWeights(_ weights: some Collection<Float>) throws(SupConError) {
    if let (index, weight) = weights.enumerated().first(where: { !($1 >= 0 && $1.isFinite) }) {
        throw SupConError(
            .argument, "weight \(index) is \(weight); expected finite numbers of 0 or more")
    }
    try require(
        weights.isEmpty || weights.contains { $0 > 0 }, .argument,
        "all \(weights.count) weights are 0; expected at least one above 0")
}
