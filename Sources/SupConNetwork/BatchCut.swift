/// A batch cut divides a batch into pieces of `size` images; the last has `lastSize`.
struct BatchCut: Equatable {
    let count: Int
    let size: Int
    let lastSize: Int

    /// Chooses, among the cuts into at most `perThread` pieces per thread, the finest that keeps
    /// all threads as busy as the best cut does, within 3 %, so that other threads can take over
    /// the pieces of one that is late. A piece has at least `smallest` images, unless some threads
    /// would then have none. A batch with fewer images than threads is a single piece.
    init(images: Int, threads: Int, perThread: Int, smallest: Int = 1) {
        var (size, best) = (images, images)
        if threads > 1, images >= threads {
            for rounds in 1...perThread {
                let next = (images + rounds * threads - 1) / (rounds * threads)
                if rounds > 1 && next < smallest { break }
                let pieces = (images + next - 1) / next
                // The number of images of the thread that has the most.
                let most = (pieces + threads - 1) / threads * next
                if most * 100 <= best * 103 { (size, best) = (next, min(most, best)) }
            }
        }
        self.size = size
        count = (images + size - 1) / size
        lastSize = images - (count - 1) * size
    }
}
