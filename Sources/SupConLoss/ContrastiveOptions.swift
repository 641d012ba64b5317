import CKernels
import Glibc
import SupConTensor

/// Which member of the contrastive family, and how its terms are put together.
///
/// With s_ij = z_i·z_j/τ, the other views A(i), weights w_ij ≥ 0, positives P(i) = {p ∈ A(i): w_ip
/// > 0}, negatives N(i) = {n ∈ A(i): w_in = 0}, W_i = Σ_p w_ip:
///
///     out   L_i = −1/W_i Σ_p w_ip log( exp s_ip / D_ip )
///     in    L_i = −log( 1/W_i Σ_p w_ip exp s_ip / D_i )
///     all           D_i = Σ_{a∈A(i)} exp s_ia
///     onePositive   D_ip = exp s_ip + Σ_{n∈N(i)} exp s_in
///     negatives     D_i = Σ_{n∈N(i)} exp s_in
///
/// `out` and `in` with `all` are equations 2 and 3 of Khosla et al., arXiv:2004.11362 (there w is 0
/// or 1); `onePositive` is SINCERE, Feeney and Hughes, arXiv:2309.14277; `negatives` is decoupled
/// contrastive learning, Yeh et al., arXiv:2110.06848. An anchor without a positive is left out.
/// Without a negative, `onePositive` is 0 by its formula; `negatives` has nothing in its
/// denominator, and the anchor contributes 0 and no gradient (the limit of its formula is −∞, which
/// nothing could learn from).
///
/// With a cap K on the positives, those of an anchor that are not chosen take no part: not in the
/// numerator, not in W_i, not in any denominator.
///
/// What others call by names of their own:
/// - N-pairs as arXiv:2004.11362 has it (§"Connection to N-pairs"): one positive from another image,
///   τ = 1: `nPairs`, on one view per sample. N pairs are 2N anchors with 2(N − 1) negatives each.
///   Sohn's own loss (NIPS 2016, equation 6) has N anchors, and the other pairs' N − 1 positives as
///   negatives: `QueueLoss` computes it and its gradient by the anchors, with the anchors as queries
///   and their positives as keys.
/// - Triplet (Schroff et al., arXiv:1503.03832): of one positive p and one negative n, L = log(1 +
///   exp((|a − p|² − |a − n|²)/2τ)), so to first order 2τ (exp L − 1) = |a − p|² − |a − n|² + 2τ:
///   the triplet loss of margin α = 2τ, before its hinge (arXiv:2004.11362, §"Connection to triplet
///   loss").
public struct ContrastiveOptions: Sendable, Equatable {
    /// The raw values are those of the C header, here and below.
    public enum Form: Int32, Sendable, CaseIterable { case out = 0, `in` }
    public enum Denominator: Int32, Sendable, CaseIterable { case all = 0, onePositive, negatives }
    public enum Anchors: Int32, Sendable, CaseIterable { case all = 0, first }
    /// `mean`: over the anchors that have a positive; `meanAll`: over all; `none`: as `sum`, for
    /// who wants the anchors' own.
    public enum Reduction: Int32, Sendable, CaseIterable { case mean = 0, meanAll, sum, none }

    public var temperature: Float = 0.1
    public var form = Form.out
    public var denominator = Denominator.all
    public var anchors = Anchors.all
    public var reduction = Reduction.mean
    /// A factor on the loss.
    public var scale: Float = 1
    /// Divides each row by its length first, and differentiates through it.
    public var normalize = false
    /// At most so many positives count for an anchor, the other views of its own sample first, then
    /// others at random; 0: all.
    public var positivesCap = 0
    /// Of the choice among more positives than count.
    public var seed: UInt64 = 0

    public init() {}

    /// N-pairs with 2(N − 1) negatives (arXiv:2004.11362's): on one view per sample one positive,
    /// chosen anew with every draw, and τ = 1.
    public static var nPairs: ContrastiveOptions {
        var options = ContrastiveOptions()
        (options.temperature, options.positivesCap) = (1, 1)
        return options
    }

    /// Errors: argument.
    public func validate() throws(SupConError) {
        try require(
            temperature.isNormal && temperature > 0, .argument,
            "temperature is \(temperature); expected a finite number above 0")
        try require(
            positivesCap >= 0 && positivesCap <= Int(Int32.max), .argument,
            "positives_cap is \(positivesCap); expected 1 or more, or 0 for all positives")
        try require(scale.isFinite, .argument, "scale is \(scale); expected a finite number")
        try require(
            denominator != .onePositive || form == .out, .argument,
            """
            the denominator of one positive goes with form out only: it differs from positive \
            to positive
            """
        )
    }

    /// The kernels' number for form and denominator.
    var kind: Int32 {
        switch (form, denominator) {
        case (.out, .all): Int32(SC_LOSS_OUT_ALL)
        case (.in, .all): Int32(SC_LOSS_IN_ALL)
        case (.out, .negatives): Int32(SC_LOSS_OUT_NEGATIVES)
        case (.in, _): Int32(SC_LOSS_IN_NEGATIVES)
        case (.out, .onePositive): Int32(SC_LOSS_OUT_ONE)
        }
    }
}

extension ContrastiveOptions.Reduction {
    /// What the sum over the anchors is multiplied by.
    func share(anchors: Int, without: Int) -> Double {
        switch self {
        case .mean: without < anchors ? 1 / Double(anchors - without) : 0
        case .meanAll: 1 / Double(anchors)
        case .sum, .none: 1
        }
    }
}

/// What makes a pair of views positive.
public enum Positives {
    /// Being views of one sample (SimCLR).
    case views
    /// Having the same label; [samples].
    case labels(UnsafePointer<Int64>)
    /// mask[i][j] weighs the views of sample j as positives of those of sample i, 0: negatives;
    /// [samples, samples]. [i][i] speaks of the other views of sample i.
    case mask(UnsafePointer<Float>)
}

public struct ContrastiveResult: Sendable, Equatable {
    /// Reduced; for `Reduction.none` the sum.
    public var loss: Double
    public var anchors: Int
    /// They contribute nothing.
    public var anchorsWithoutPositive: Int

    public init(loss: Double, anchors: Int, anchorsWithoutPositive: Int) {
        (self.loss, self.anchors, self.anchorsWithoutPositive) = (
            loss, anchors, anchorsWithoutPositive
        )
    }
}

extension ContrastiveLoss {
    /// An anchor's loss when all embeddings are equal: scale·ln(views·samples − 1) with denominator
    /// `all`. A run that sits there has collapsed.
    ///
    /// With the other denominators it depends on how many positives an anchor has (`positives`;
    /// nil: the other views of its sample): scale·ln(1 + negatives), scale·ln(negatives).
    public static func collapsedLoss(
        _ options: ContrastiveOptions, samples: Int, views: Int, positives: Int? = nil
    ) -> Double {
        let others = Double(samples) * Double(views) - 1
        let negatives = others - Double(positives ?? views - 1)
        let denominator =
            switch options.denominator {
            case .all: others
            case .onePositive: 1 + negatives
            case .negatives: negatives
            }
        return denominator > 0 ? Double(options.scale) * log(denominator) : 0
    }
}
