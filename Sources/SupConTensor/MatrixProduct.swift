#if OneDNN
import COneDNN
#else
import COpenBLAS
import Synchronization
#endif

/// Matrix products: row-major, f32, each on the calling thread; what is parallel is cut into rows
/// by our own loops.
///
/// oneDNN's where the package has it: Debian 12's OpenBLAS does not know later CPUs and there
/// computes at half the speed. OpenBLAS's otherwise.
package enum MatrixProduct {
    /// C ← α·op(A)·op(B) + β·C with op(A) [m, k], op(B) [k, n], C [m, n]; `lda`, `ldb`, `ldc` are
    /// row strides of the matrices as stored. Runs on the calling thread.
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

    /// The same with the rows of C shared among `threads`.
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

    #if OneDNN
    /// Runs `body` with the calling thread's OpenMP team set to one thread, and gives the host its
    /// number back.
    package static func withOneThreadPerCall<R, E>(_ body: () throws(E) -> R) throws(E) -> R {
        let former = scd_enter(1)
        defer { scd_leave(former) }
        return try body()
    }
    #else
    /// Runs `body` with the process's OpenBLAS set to one thread, and gives the host its number
    /// back when the last such body has ended.
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
