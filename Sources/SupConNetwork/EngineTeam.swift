#if OneDNN
import COneDNN
#endif

/// The engine's team is its own set of threads that share a single convolution. It is used only for
/// batches with fewer images than threads; all others are computed in pieces of images on the
/// threads of `Parallel`.
enum EngineTeam {
    /// Returns whether batches of `images` images are computed by the engine's team.
    static func isUsed(images: Int, threads: Int) -> Bool { images < threads }

    /// Runs `body` with the calling thread's team set to the size that these batches need, and
    /// restores the host's setting afterwards.
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
