/// Batch sizes are the numbers of images that a pass may take. A few sizes serve all requests, so
/// that an odd remainder needs no plan of its own; it runs in smaller passes, or in a padded one.
struct BatchSizes {
    /// The sizes, ascending.
    private(set) var sizes: [Int]

    /// Chooses the sizes.
    /// - Parameters:
    ///   - chosen: the caller's size; 0: the library chooses.
    ///   - pixels: the number of pixels of one image.
    ///   - threads: the number of threads that compute.
    init(chosen: Int, pixels: Int, threads: Int) {
        let largest = chosen > 0 ? chosen : Self.best(pixels: pixels, threads: threads)
        sizes = [1, 8, 32].filter { $0 < largest } + [largest]
    }

    /// Returns the best size. As measured (2 threads, ResNet-18 at 32×32 and 224×224, ResNet-50 at
    /// 224×224), from 8 images on a pass gains too little for its memory, as its activations leave
    /// the cache; small images gain up to 32. A single image takes 5 % more time at 224×224 and 20
    /// % more at 32×32. Each thread should have an image.
    private static func best(pixels: Int, threads: Int) -> Int {
        max(pixels <= 64 * 64 ? 32 : 8, threads)
    }

    /// Returns the size of the next pass, with `left` images to go, of which up to `left` are used.
    /// At most a quarter of a pass is padding.
    func next(_ left: Int) -> Int {
        for size in sizes.reversed() where size * 3 <= left * 4 { return size }
        return 1
    }

    /// Removes `size` and all larger sizes, for which there is no memory. Returns false if no size
    /// is left.
    mutating func giveUp(_ size: Int) -> Bool {
        sizes.removeAll { $0 >= size }
        return !sizes.isEmpty
    }
}
