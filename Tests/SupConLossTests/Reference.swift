import Foundation
import SupConLoss
import SupConTensor

/// Positives that own their memory.
enum Pairs {
    case views
    case labels([Int64])
    case mask([Float])

    /// Returns the weight w of the views of two samples.
    func weight(_ i: Int, _ j: Int, samples: Int) -> Double {
        switch self {
        case .views: i == j ? 1 : 0
        case .labels(let labels): labels[i] == labels[j] ? 1 : 0
        case .mask(let mask): Double(mask[i * samples + j])
        }
    }
}

/// The reference computes the losses from their formulas, without tiles, in double precision.
struct Reference {
    var options: ContrastiveOptions
    var samples: Int
    var views: Int
    var dimension: Int
    var pairs: Pairs
    /// The positives of each anchor that count; nil: all.
    var chosen: [Set<Int>]?

    /// Returns scale · L_i of every anchor; nil without a positive.
    func losses(_ features: [Double]) -> [Double?] {
        let (rows, tau) = (samples * views, Double(options.temperature))
        var z = features
        if options.normalize {
            for row in 0..<rows {
                var squares = 0.0
                for k in 0..<dimension {
                    squares += z[row * dimension + k] * z[row * dimension + k]
                }
                for k in 0..<dimension {
                    z[row * dimension + k] /= max(squares.squareRoot(), 1e-12)
                }
            }
        }
        let anchors =
            options.anchors == .all ? Array(0..<rows) : Array(stride(from: 0, to: rows, by: views))
        return z.withUnsafeBufferPointer { z in
            anchors.enumerated().map { anchor, i -> Double? in
                var (positives, negatives): ([(w: Double, s: Double)], [Double]) = ([], [])
                for a in 0..<rows where a != i {
                    var dot = 0.0
                    for k in 0..<dimension { dot += z[i * dimension + k] * z[a * dimension + k] }
                    let w = pairs.weight(i / views, a / views, samples: samples)
                    if let chosen, w > 0, !chosen[anchor].contains(a) { continue }
                    if w > 0 {
                        positives.append((w, dot / tau))
                    } else {
                        negatives.append(dot / tau)
                    }
                }
                return loss(positives, negatives).map { $0 * Double(options.scale) }
            }
        }
    }

    func loss(_ positives: [(w: Double, s: Double)], _ negatives: [Double]) -> Double? {
        if positives.isEmpty { return nil }
        if options.denominator == .negatives && negatives.isEmpty { return 0 }
        let all = positives.reduce(0) { $0 + $1.w }
        let total = logSum(options.denominator == .all ? positives.map(\.s) + negatives : negatives)
        func denominator(_ s: Double) -> Double {
            options.denominator == .onePositive ? logSum([s, total]) : total
        }
        switch options.form {
        case .out: return -positives.reduce(0) { $0 + $1.w * ($1.s - denominator($1.s)) } / all
        case .in: return -logSum(positives.map { $0.s + log($0.w / all) - total })
        }
    }

    private func logSum(_ s: [Double]) -> Double {
        guard let most = s.max(), most > -.infinity else { return -.infinity }
        return most + log(s.reduce(0) { $0 + exp($1 - most) })
    }

    func loss(_ features: [Double]) -> Double {
        let losses = losses(features)
        let sum = losses.reduce(0) { $0 + ($1 ?? 0) }
        return switch options.reduction {
        case .mean: sum / Double(max(losses.count { $0 != nil }, 1))
        case .meanAll: sum / Double(losses.count)
        case .sum, .none: sum
        }
    }

    /// Returns (L(x + h·d) − L(x − h·d)) / 2h.
    func slope(_ features: [Double], along direction: [Double], step h: Double = 1e-5) -> Double {
        (loss(zip(features, direction).map { $0 + h * $1 })
            - loss(zip(features, direction).map { $0 - h * $1 })) / (2 * h)
    }
}

struct Outcome: Equatable {
    var result: ContrastiveResult
    var perAnchor: [Float]
    var gradient: [Float]
}

extension ContrastiveLoss {
    func run(_ features: [Float], _ pairs: Pairs, draw: Int = 0) throws -> Outcome {
        var perAnchor = [Float](
            repeating: -7, count: options.anchors == .all ? samples * views : samples)
        var gradient = [Float](repeating: -7, count: features.count)
        let result =
            switch pairs {
            case .views:
                try evaluate(
                    features: features, positives: .views, perAnchor: &perAnchor,
                    gradient: &gradient, draw: draw)
            case .labels(let labels):
                try labels.withUnsafeBufferPointer {
                    try evaluate(
                        features: features, positives: .labels($0.baseAddress!),
                        perAnchor: &perAnchor, gradient: &gradient, draw: draw)
                }
            case .mask(let mask):
                try mask.withUnsafeBufferPointer {
                    try evaluate(
                        features: features, positives: .mask($0.baseAddress!),
                        perAnchor: &perAnchor, gradient: &gradient, draw: draw)
                }
            }
        return Outcome(result: result, perAnchor: perAnchor, gradient: gradient)
    }
}

/// A random case has features, and the library's loss of them.
struct Case {
    var options = ContrastiveOptions()
    var samples = 6
    var views = 2
    var dimension = 4
    var pairs = Pairs.views
    var threads = 2

    var reference: Reference {
        Reference(
            options: options, samples: samples, views: views, dimension: dimension, pairs: pairs)
    }

    func loss(ranks: Ranks? = nil) throws -> ContrastiveLoss {
        try ContrastiveLoss(
            options, samples: samples, views: views, dimension: dimension,
            context: ExecutionContext(threads: threads), ranks: ranks)
    }
    func run(_ features: [Float], draw: Int = 0) throws -> Outcome {
        try loss().run(features, pairs, draw: draw)
    }

    /// Returns normal variates, in rows of length 1 if `unit` is true.
    func features(seed: UInt64 = 1, unit: Bool = true) -> [Float] {
        var random = Philox(seed: seed, purpose: .test)
        var x = (0..<samples * views * dimension).map { _ in random.normal() }
        if unit {
            for row in 0..<samples * views {
                let length = x[row * dimension..<(row + 1) * dimension].reduce(0) { $0 + $1 * $1 }
                    .squareRoot()
                for k in 0..<dimension { x[row * dimension + k] /= length }
            }
        }
        return x
    }

    static func labels(_ samples: Int, classes: Int, seed: UInt64 = 3) -> [Int64] {
        var random = Philox(seed: seed, purpose: .test)
        return (0..<samples).map { _ in Int64(random.index(below: classes)) * 1_000_000_007 - 5 }
    }
    /// Returns an asymmetric mask with about a third positives; if `soft`, with weights from 0 to
    /// 3.
    static func mask(_ samples: Int, soft: Bool, seed: UInt64 = 4) -> [Float] {
        var random = Philox(seed: seed, purpose: .test)
        return (0..<samples * samples).map { _ in
            random.uniform() < 0.35 ? (soft ? random.uniform(0.01, 3) : 1) : 0
        }
    }

    static let kinds: [(ContrastiveOptions.Form, ContrastiveOptions.Denominator)] = [
        (.out, .all), (.in, .all), (.out, .onePositive), (.out, .negatives), (.in, .negatives),
    ]
}
