#if OneDNN
import COneDNN
#endif

/// The engine's own team of threads, which shares single convolutions: only for batches that have
/// fewer images than there are threads. All others are computed in pieces of images on the threads
/// of `Parallel`.
enum EngineTeam {
    /// Whether batches of `images` are computed by the engine's team.
    static func isUsed(images: Int, threads: Int) -> Bool { images < threads }

    /// Runs `body` with the calling thread's team set to what these batches take, and gives the
    /// host its number back.
    @inline(__always)
    static func run(images: Int, threads: Int, _ body: () -> Void) {
        #if OneDNN
        let usesTeam = isUsed(images: images, threads: threads)
        let formerUse = scd_use_team(usesTeam ? 1 : 0)
        let former = scd_enter(usesTeam ? Int32(threads) : 1)
        defer {
            scd_leave(former)
            _ = scd_use_team(formerUse)
        }
        #endif
        body()
    }
}
