import SupConTensor
import Testing

@Suite struct MatrixProductTests {
    /// Compares every transposition, α and β, on parts of larger matrices, with sums in double
    /// precision.
    @Test(arguments: [(7, 5, 3), (64, 33, 130), (1, 1, 1), (130, 16, 257)], [1, 2, 3])
    func agreesWithDoubleSums(_ sizes: (Int, Int, Int), _ threads: Int) throws {
        let (m, n, k) = sizes
        for (transposeA, transposeB) in [
            (false, false), (false, true), (true, false), (true, true),
        ] {
            var random = Philox(seed: 5, purpose: .test)
            let (lda, ldb, ldc) = ((transposeA ? m : k) + 2, (transposeB ? k : n) + 1, n + 3)
            let a = (0..<((transposeA ? k : m) * lda)).map { _ in random.uniform(-1, 1) }
            let b = (0..<((transposeB ? n : k) * ldb)).map { _ in random.uniform(-1, 1) }
            let before = (0..<(m * ldc)).map { _ in random.uniform(-1, 1) }
            var c = before
            a.withUnsafeBufferPointer { a in
                b.withUnsafeBufferPointer { b in
                    c.withUnsafeMutableBufferPointer { c in
                        MatrixProduct.parallelMultiply(
                            transposeA: transposeA, transposeB: transposeB, m: m, n: n, k: k,
                            alpha: 0.5, a: a.baseAddress!, lda: lda, b: b.baseAddress!, ldb: ldb,
                            beta: 2,
                            c: c.baseAddress!, ldc: ldc, threads: threads)
                    }
                }
            }
            for i in 0..<m {
                for j in 0..<ldc {
                    var expected = Double(before[i * ldc + j])
                    if j < n {
                        expected *= 2
                        for t in 0..<k {
                            expected +=
                                0.5 * Double(a[transposeA ? t * lda + i : i * lda + t])
                                * Double(b[transposeB ? j * ldb + t : t * ldb + j])
                        }
                    }
                    #expect(
                        abs(Double(c[i * ldc + j]) - expected) < 1e-5 * Double(k + 4),
                        "\(transposeA) \(transposeB) [\(i), \(j)]")
                }
            }
        }
    }
}
