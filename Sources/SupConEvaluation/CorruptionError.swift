import SupConTensor

/// Errors on corrupted images measure how robust a model is: Hendrycks and Dietterich
/// (arXiv:1903.12261, §4). All are ratios to a baseline's: 1 is as bad as it (the papers print them
/// times 100, with AlexNet for the baseline).
public struct CorruptionError: Sendable {
    /// The mean over corruptions c of CE_c = Σ_s E_{s,c} / Σ_s E′_{s,c}, where E is the error at
    /// severity s and E′ the baseline's.
    public let mean: Double
    /// The mean over corruptions of Σ_s (E_{s,c} − E_clean) / Σ_s (E′_{s,c} − E′_clean); nil
    /// without clean errors.
    public let relativeMean: Double?
    /// The error CE_c of each corruption.
    public let errors: [Double]
    /// The relative error of each corruption, also as a ratio; nil without clean errors.
    public let relativeErrors: [Double]?
}

/// Computes the corruption error of a model, relative to a baseline's.
///
/// - Parameters:
///   - errors: the model's error rates [corruptions][severities], each from 0 to 1.
///   - baseline: the baseline's error rates, in the same order.
///   - clean: the errors of both on clean images; nil: no relative errors are computed.
/// Errors: shape (rows of different lengths), argument (a value outside 0 to 1; a baseline that
/// makes no errors, or whose errors no corruption increases).
public func corruptionError(
    _ errors: [[Double]], baseline: [[Double]], clean: (error: Double, baseline: Double)? = nil
) throws(SupConError) -> CorruptionError {
    try require(!errors.isEmpty, .shape, "there are no corruptions; expected 1 or more")
    try require(
        errors.count == baseline.count, .shape,
        "there are \(errors.count) corruptions, of the baseline \(baseline.count); expected as many"
    )
    func checked(_ error: Double, _ name: @autoclosure () -> String) throws(SupConError) {
        try require(
            error >= 0 && error <= 1, .argument,
            "\(name()) is \(error); expected a fraction, 0 to 1")
    }
    if let clean {
        try checked(clean.error, "the clean error")
        try checked(clean.baseline, "the baseline's clean error")
    }
    var (ratios, relative) = ([Double](), [Double]())
    for (c, (own, theirs)) in zip(errors, baseline).enumerated() {
        try require(
            own.count == theirs.count && !own.isEmpty, .shape,
            """
            corruption \(c) has \(own.count) severities, of the baseline \(theirs.count); \
            expected as many, 1 or more
            """
        )
        for (s, (e, b)) in zip(own, theirs).enumerated() {
            try checked(e, "the error of corruption \(c) at severity \(s + 1)")
            try checked(b, "the baseline's error of corruption \(c) at severity \(s + 1)")
        }
        let (sum, base) = (own.reduce(0, +), theirs.reduce(0, +)), n = Double(own.count)
        try require(
            base > 0, .argument,
            "the baseline makes no errors on corruption \(c); expected some to compare with")
        ratios.append(sum / base)
        guard let clean else { continue }
        let loss = base - n * clean.baseline
        try require(
            loss > 0, .argument,
            """
            the baseline loses nothing to corruption \(c); expected more errors than \
            \(clean.baseline), its clean ones
            """
        )
        relative.append((sum - n * clean.error) / loss)
    }
    let n = Double(ratios.count)
    return CorruptionError(
        mean: ratios.reduce(0, +) / n, relativeMean: clean == nil ? nil : relative.reduce(0, +) / n,
        errors: ratios, relativeErrors: clean == nil ? nil : relative)
}
