#if OneDNN
import COneDNN
#endif

/// The engine's team of threads.
enum EngineTeam {
    /// Runs `body` with the calling thread's team set to `threads`, and gives the host its number
    /// back.
    @inline(__always)
    static func run(_ threads: Int, _ body: () -> Void) {
        #if OneDNN
        let former = scd_enter(Int32(threads))
        defer { scd_leave(former) }
        #endif
        body()
    }
}
