import CKernels
import SupConTensor

/// Batch normalization in training (Ioffe and Szegedy, arXiv:1502.03167) computes, together with
/// the residual sum and the ReLU that follow it,
///
///     y = relu?(γ (x − μ)/√(σ² + ε) + β + residual?)
///
/// on x [rows, channels]; ε = 1e-5, running statistics move by 0.1 (PyTorch's convention; the
/// running variance is the unbiased one). Backward, with g = dy (+ dy2) where y > 0 and x̂ = (x −
/// μ)/√(σ² + ε):
///
///     dβ = Σ g,   dγ = Σ g x̂,   dx = γ/√(σ² + ε) · (g − dβ/rows − x̂ dγ/rows),   dresidual = g.
///
/// With frozen statistics μ and σ² are the running ones, which stay as they are, and dx = γ/√(σ² +
/// ε) · g.
///
/// If it is synchronized, μ, σ² and the sums in dx are computed over the rows of all ranks; dβ and
/// dγ are this rank's part of the sums, like the gradients of all other parameters.
final class BatchNorm {
    static let epsilon = 1e-5
    private static let momentum = 0.1

    struct Parameters {
        var gamma, beta, runningMean, runningVariance: UnsafeMutablePointer<Float>
        var gammaGradient, betaGradient: UnsafeMutablePointer<Float>
    }

    private let parameters: Parameters
    private let rows: Int
    private let channels: Int
    private let type: ElementType
    private let relu: Bool
    private let usesRunningStatistics: Bool
    private let threads: Int
    // Narrow rows are processed several at a time, as rows of `period` channels: the memory is the
    // same, and its loops become long enough for vectors.
    private let period: Int
    private let wideRows: Int
    private let pieces: Int

    // scale, shift, mean, factor, offset: [period] each
    private let coefficients: AlignedBuffer
    // Two sums of [period] per piece.
    private let sums: AlignedBuffer
    // Moments of each channel, then its two sums in backward.
    private let statistics: AlignedBuffer
    private let synchronization: RankStatistics?
    private var inverseDeviation: [Double]
    // The number of rows that the statistics cover.
    private var statisticsRows: Double

    /// Makes a batch norm. `synchronized` are the ranks over whose rows the statistics are
    /// computed; nil: over this rank's rows alone. Errors: memory.
    init(
        _ parameters: Parameters, rows: Int, channels: Int, type: ElementType, relu: Bool,
        usesRunningStatistics: Bool = false, synchronized: Ranks? = nil, threads: Int
    ) throws(SupConError) {
        self.parameters = parameters
        self.rows = rows
        self.channels = channels
        self.type = type
        self.relu = relu
        self.usesRunningStatistics = usesRunningStatistics
        self.threads = threads
        var period = channels
        while period < 64 && rows % (2 * period / channels) == 0 { period *= 2 }
        self.period = period
        wideRows = rows * channels / period
        pieces = Parallel.rangeCount(wideRows, grain: max(1, 16384 / period), threads: threads)
        coefficients = try AlignedBuffer(Float.self, count: 5 * period)
        sums = try AlignedBuffer(Double.self, count: max(pieces, 1) * 2 * period)
        statistics = try AlignedBuffer(Moments.self, count: channels)
        synchronization = try synchronized.flatMap { (ranks) throws(SupConError) in
            ranks.isAlone || usesRunningStatistics
                ? nil : try RankStatistics(ranks, channels: channels)
        }
        statisticsRows = Double(rows)
        inverseDeviation = Array(repeating: 1, count: channels)
    }

    private var scale: UnsafeMutablePointer<Float> { coefficients.floats }
    private var shift: UnsafeMutablePointer<Float> { coefficients.floats + period }
    private var mean: UnsafeMutablePointer<Float> { coefficients.floats + 2 * period }
    private var factor: UnsafeMutablePointer<Float> { coefficients.floats + 3 * period }
    private var offset: UnsafeMutablePointer<Float> { coefficients.floats + 4 * period }

    /// Whether `forward` moves the running statistics.
    var movesStatistics = true

    /// Computes y, which must not overlap x, and saves the moments for `apply` and `backward`.
    func forward(x: UnsafeRawPointer, residual: UnsafeRawPointer?, y: UnsafeMutableRawPointer) {
        if usesRunningStatistics { takeRunningMoments() } else { gatherMoments(x) }
        apply(x: x, residual: residual, y: y)
    }

    /// Computes y again from the moments of the last `forward`.
    func apply(x: UnsafeRawPointer, residual: UnsafeRawPointer?, y: UnsafeMutableRawPointer) {
        let (scale, shift, relu, period, bytes) = (
            scale, shift, Int32(relu ? 1 : 0), period, period * type.byteCount
        )
        eachPiece { [type] _, range in
            let (at, n) = (range.lowerBound * bytes, Int64(range.count))
            switch type {
            case .f32:
                sc_norm_apply_f32(
                    f32(x + at), residual.map { f32($0 + at) }, scale, shift, relu, f32(y + at), n,
                    Int64(period))
            case .bf16:
                sc_norm_apply_bf16(
                    bf16(x + at), residual.map { bf16($0 + at) }, scale, shift, relu, bf16(y + at),
                    n, Int64(period))
            }
        }
    }

    /// Computes dx from dy (+ dy2). If the output had a residual, `y` is the output, and `g`
    /// receives dresidual; `g` may be the buffer of dy. If `g` is nil, dx may be the buffer of dy.
    func backward(
        dy: UnsafeRawPointer, dy2: UnsafeRawPointer?, x: UnsafeRawPointer, y: UnsafeRawPointer?,
        g: UnsafeMutableRawPointer?, dx: UnsafeMutableRawPointer
    ) {
        let (scale, shift, mean, factor, offset) = (scale, shift, mean, factor, offset)
        let (period, bytes, sums, type) = (
            period, period * type.byteCount, sums.values(of: Double.self), type
        )
        let reluNow = Int32(relu ? 1 : 0)
        eachPiece { piece, range in
            let (at, n) = (range.lowerBound * bytes, Int64(range.count))
            let sumG = sums + piece * 2 * period
            sumG.update(repeating: 0, count: 2 * period)
            switch type {
            case .f32:
                sc_norm_reduce_f32(
                    f32(dy + at), dy2.map { f32($0 + at) }, f32(x + at), y.map { f32($0 + at) },
                    scale, shift, mean, reluNow, g.map { f32($0 + at) }, sumG,
                    sumG + period, n, Int64(period))
            case .bf16:
                sc_norm_reduce_bf16(
                    bf16(dy + at), dy2.map { bf16($0 + at) }, bf16(x + at), y.map { bf16($0 + at) },
                    scale, shift, mean, reluNow, g.map { bf16($0 + at) }, sumG,
                    sumG + period, n, Int64(period))
            }
        }
        finishSums()
        // g has passed the ReLU already.
        let source = g.map { UnsafeRawPointer($0) } ?? dy
        let reluLeft = Int32(relu && g == nil ? 1 : 0)
        eachPiece { _, range in
            let (at, n) = (range.lowerBound * bytes, Int64(range.count))
            switch type {
            case .f32:
                sc_norm_input_gradient_f32(
                    f32(source + at), f32(x + at), scale, shift, factor, offset, reluLeft,
                    f32(dx + at), n, Int64(period))
            case .bf16:
                sc_norm_input_gradient_bf16(
                    bf16(source + at), bf16(x + at), scale, shift, factor, offset, reluLeft,
                    bf16(dx + at), n, Int64(period))
            }
        }
    }

    /// Computes mean and variance of each channel over the rows, by Chan's update over pieces and
    /// over the repetitions of the channels; then scale and shift.
    private func gatherMoments(_ x: UnsafeRawPointer) {
        let (period, bytes, sums, type) = (
            period, period * type.byteCount, sums.values(of: Double.self), type
        )
        eachPiece { piece, range in
            let mean = sums + piece * 2 * period
            switch type {
            case .f32:
                sc_norm_moments_f32(
                    f32(x + range.lowerBound * bytes), Int64(range.count), Int64(period), mean,
                    mean + period)
            case .bf16:
                sc_norm_moments_bf16(
                    bf16(x + range.lowerBound * bytes), Int64(range.count), Int64(period), mean,
                    mean + period)
            }
        }
        let moments = statistics.values(of: Moments.self)
        for channel in 0..<channels {
            var own = Moments()
            for piece in 0..<pieces {
                let n = Double(Parallel.range(piece, of: pieces, count: wideRows).count)
                for repetition in stride(from: channel, to: period, by: channels) {
                    own.add(
                        Moments(
                            count: n, mean: sums[piece * 2 * period + repetition],
                            m2: sums[(piece * 2 + 1) * period + repetition]))
                }
            }
            moments[channel] = own
        }
        synchronization?.merge(moments)
        statisticsRows = moments[0].count
        for channel in 0..<channels { settle(channel, moments[channel]) }
    }

    /// Sets the scale and shift of a channel from its moments, and updates the running statistics.
    private func settle(_ channel: Int, _ moments: Moments) {
        let (count, mean, m2) = (moments.count, moments.mean, moments.m2)
        inverseDeviation[channel] = 1 / (m2 / count + Self.epsilon).squareRoot()
        let p = parameters
        if movesStatistics {
            p.runningMean[channel] += Float(
                Self.momentum * (mean - Double(p.runningMean[channel])))
            p.runningVariance[channel] += Float(
                Self.momentum * (m2 / max(count - 1, 1) - Double(p.runningVariance[channel])))
        }
        setCoefficients(channel, mean: mean)
    }

    /// Sets scale and shift from the running statistics.
    private func takeRunningMoments() {
        for channel in 0..<channels {
            let variance = Double(parameters.runningVariance[channel])
            inverseDeviation[channel] = 1 / (variance + Self.epsilon).squareRoot()
            setCoefficients(channel, mean: Double(parameters.runningMean[channel]))
        }
    }

    private func setCoefficients(_ channel: Int, mean: Double) {
        let scale = Double(parameters.gamma[channel]) * inverseDeviation[channel]
        let shift = Double(parameters.beta[channel]) - mean * scale
        for repetition in stride(from: channel, to: period, by: channels) {
            self.scale[repetition] = Float(scale)
            self.shift[repetition] = Float(shift)
            self.mean[repetition] = Float(mean)
        }
    }

    /// Computes dγ and dβ from the sums of the pieces, and the coefficients of dx = scale·g +
    /// factor·x + offset.
    private func finishSums() {
        let sums = sums.values(of: Double.self)
        // Σ g, then Σ g (x − μ).
        let totals = statistics.values(of: Double.self)
        for channel in 0..<channels {
            var (sumG, sumGX) = (0.0, 0.0)
            for piece in 0..<pieces {
                for repetition in stride(from: channel, to: period, by: channels) {
                    sumG += sums[piece * 2 * period + repetition]
                    sumGX += sums[(piece * 2 + 1) * period + repetition]
                }
            }
            parameters.betaGradient[channel] = Float(sumG)
            parameters.gammaGradient[channel] = Float(sumGX * inverseDeviation[channel])
            (totals[2 * channel], totals[2 * channel + 1]) = (sumG, sumGX)
        }
        synchronization?.add(totals, count: 2 * channels)
        for channel in 0..<channels {
            let (sumG, sumGX) = (totals[2 * channel], totals[2 * channel + 1])
            let inverse = inverseDeviation[channel]
            let scale = Double(parameters.gamma[channel]) * inverse
            var (factor, offset) = (0.0, 0.0)
            if !usesRunningStatistics {
                factor = -scale * inverse * inverse * sumGX / statisticsRows
                offset = -scale * sumG / statisticsRows - factor * Double(mean[channel])
            }
            for repetition in stride(from: channel, to: period, by: channels) {
                self.factor[repetition] = Float(factor)
                self.offset[repetition] = Float(offset)
            }
        }
    }

    private func eachPiece(_ body: (Int, Range<Int>) -> Void) {
        Parallel.chunks(pieces, threads: threads) {
            body($0, Parallel.range($0, of: pieces, count: wideRows))
        }
    }
}

// The kernels' view of memory.
@inline(__always) func f32(_ pointer: UnsafeRawPointer) -> UnsafePointer<Float> {
    pointer.assumingMemoryBound(to: Float.self)
}
@inline(__always) func f32(_ pointer: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Float> {
    pointer.assumingMemoryBound(to: Float.self)
}
@inline(__always) func bf16(_ pointer: UnsafeRawPointer) -> UnsafePointer<UInt16> {
    pointer.assumingMemoryBound(to: UInt16.self)
}
@inline(__always) func bf16(_ pointer: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt16> {
    pointer.assumingMemoryBound(to: UInt16.self)
}
