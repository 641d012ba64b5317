import CKernels
import Glibc
import SupConTensor

extension ContrastiveOptions {
    /// The options of the N-pairs loss with 2(N − 1) negatives (arXiv:2004.11362): with one view
    /// per sample, each anchor has one positive, redrawn in every evaluation, and τ = 1.
    public static var nPairs: ContrastiveOptions {
        var options = ContrastiveOptions()
        (options.temperature, options.positivesCap) = (1, 1)
        return options
    }

    /// Throws unless all options are valid. Errors: argument.
    package func validate() throws(SupConError) {
        try validateRanges()
        try require(
            temperature.isNormal && temperature > 0, .argument,
            "temperature is \(temperature); expected a finite number above 0")
        try require(scale.isFinite, .argument, "scale is \(scale); expected a finite number")
        try require(
            denominator != .onePositive || form == .out, .argument,
            """
            the denominator of one positive goes with form out only: it differs from positive \
            to positive
            """
        )
    }

    /// The kernels' constant for form and denominator.
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
    /// Returns the factor of the sum over the anchors.
    func factor(anchors: Int, without: Int) -> Double {
        switch self {
        case .mean: without < anchors ? 1 / Double(anchors - without) : 0
        case .meanAll: 1 / Double(anchors)
        case .sum, .none: 1
        }
    }
}

/// The positives define which pairs of views are positive, and how much.
package enum Positives {
    /// Views of one sample are positives (SimCLR).
    case views
    /// Views of samples with the same label are positives; [samples].
    case labels(UnsafePointer<Int64>)
    /// Pairs are weighted by a mask [samples, samples]: mask[i][j] is the weight of the views of
    /// sample j as positives of those of sample i, 0 for negatives; [i][i] is that of the other
    /// views of sample i.
    case mask(UnsafePointer<Float>)
}

package struct ContrastiveResult: Sendable, Equatable {
    /// The reduced loss; the sum for `Reduction.none`.
    package var loss: Double
    package var anchors: Int
    /// The number of anchors without a positive, which contribute nothing.
    package var anchorsWithoutPositive: Int

    package init(loss: Double, anchors: Int, anchorsWithoutPositive: Int) {
        (self.loss, self.anchors, self.anchorsWithoutPositive) = (
            loss, anchors, anchorsWithoutPositive
        )
    }
}

extension ContrastiveLoss {
    /// Returns the loss of an anchor when all embeddings are equal: scale·ln(views·samples − 1)
    /// with denominator `all`. A run whose loss remains there has collapsed.
    ///
    /// With the other denominators it depends on the number of an anchor's positives (`positives`;
    /// nil: the other views of its sample): scale·ln(1 + negatives), scale·ln(negatives).
    package static func collapsedLoss(
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
