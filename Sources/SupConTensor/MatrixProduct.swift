import Synchronization

#if OneDNN
import COneDNN
#else
import COpenBLAS
#endif

/// Matrix products are row-major, f32, and run on the calling thread; parallel products are divided
/// into rows by our own loops.
///
/// They are oneDNN's if the package was built with it: OpenBLAS of Debian 12 does not know recent
/// CPUs, and runs at half the speed there. Otherwise they are OpenBLAS's.
package enum MatrixProduct {
    /// Computes C ← α·op(A)·op(B) + β·C with op(A) [m, k], op(B) [k, n], C [m, n], on the calling
    /// thread; `lda`, `ldb`, `ldc` are the row strides of the matrices as stored.
    ///
    /// Call it inside `withOneThreadPerCall`; outside, the engine would start threads of its own.
    @inline(__always)
    package static func multiply(
        transposeA: Bool = false, transposeB: Bool = false, m: Int, n: Int, k: Int,
        alpha: Float = 1, a: UnsafePointer<Float>, lda: Int,
        b: UnsafePointer<Float>, ldb: Int, beta: Float = 0, c: UnsafeMutablePointer<Float>, ldc: Int
    ) {
        #if OneDNN
        scd_matrix_product(
            transposeA ? 1 : 0, transposeB ? 1 : 0, Int64(m), Int64(n), Int64(k), alpha, a,
            Int64(lda), b, Int64(ldb), beta, c, Int64(ldc))
        #else
        cblas_sgemm(
            CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans,
            transposeB ? CblasTrans : CblasNoTrans, blasint(m), blasint(n), blasint(k), alpha, a,
            blasint(lda), b, blasint(ldb), beta, c, blasint(ldc))
        #endif
    }

    /// Computes a product with the rows of C divided among `threads`.
    package static func parallelMultiply(
        transposeA: Bool = false, transposeB: Bool = false, m: Int, n: Int, k: Int,
        alpha: Float = 1, a: UnsafePointer<Float>, lda: Int,
        b: UnsafePointer<Float>, ldb: Int, beta: Float = 0, c: UnsafeMutablePointer<Float>,
        ldc: Int, threads: Int
    ) {
        withOneThreadPerCall {
            Parallel.ranges(m, grain: 16, threads: threads) { rows in
                multiply(
                    transposeA: transposeA, transposeB: transposeB, m: rows.count, n: n, k: k,
                    alpha: alpha,
                    a: a + (transposeA ? rows.lowerBound : rows.lowerBound * lda), lda: lda, b: b,
                    ldb: ldb, beta: beta, c: c + rows.lowerBound * ldc, ldc: ldc)
            }
        }
    }

    /// Has the engine prepare itself, which it does once and without checking the memory that it
    /// takes. Whoever multiplies calls it before. Errors: memory.
    package static func prepare() throws(SupConError) {
        #if OneDNN
        guard !isPrepared.load(ordering: .acquiring) else { return }
        try checkSpareMemory(for: "the code of matrix products")
        withOneThreadPerCall { scd_prepare_products() }
        isPrepared.store(true, ordering: .releasing)
        #endif
    }

    #if OneDNN
    private static let isPrepared = Atomic(false)

    /// Runs `body` with the calling thread's OpenMP team set to one thread, and restores the host's
    /// setting.
    package static func withOneThreadPerCall<R, E>(_ body: () throws(E) -> R) throws(E) -> R {
        let former = scd_enter(1)
        defer { scd_leave(former) }
        return try body()
    }
    #else
    /// Runs `body` with the process's OpenBLAS set to one thread, and restores the host's setting
    /// when the last such body has ended.
    package static func withOneThreadPerCall<R, E>(_ body: () throws(E) -> R) throws(E) -> R {
        users.withLock { state in
            if state.count == 0 {
                state.formerThreads = openblas_get_num_threads()
                if state.formerThreads != 1 { openblas_set_num_threads(1) }
            }
            state.count += 1
        }
        defer {
            users.withLock { state in
                state.count -= 1
                if state.count == 0 && state.formerThreads != 1 {
                    openblas_set_num_threads(state.formerThreads)
                }
            }
        }
        return try body()
    }

    private static let users = Mutex<(count: Int, formerThreads: Int32)>((0, 1))
    #endif
}
