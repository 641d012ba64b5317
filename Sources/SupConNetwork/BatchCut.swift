/// A batch cut into pieces of `size` images, the last of `lastSize`.
struct BatchCut: Equatable {
    let count: Int
    let size: Int
    let lastSize: Int

    /// Of the cuts into at most `perThread` pieces for each thread the finest that keeps all
    /// threads as busy as the best does, within 3 %: a thread that is late then leaves pieces to
    /// the others. Pieces have at least `smallest` images, but where threads would get none. One
    /// piece: a batch with fewer images than threads.
    init(images: Int, threads: Int, perThread: Int, smallest: Int = 1) {
        var (size, best) = (images, images)
        if threads > 1, images >= threads {
            for rounds in 1...perThread {
                let next = (images + rounds * threads - 1) / (rounds * threads)
                if rounds > 1 && next < smallest { break }
                let pieces = (images + next - 1) / next
                // Images that the thread with most of them gets.
                let most = (pieces + threads - 1) / threads * next
                if most * 100 <= best * 103 { (size, best) = (next, min(most, best)) }
            }
        }
        self.size = size
        count = (images + size - 1) / size
        lastSize = images - (count - 1) * size
    }
}
