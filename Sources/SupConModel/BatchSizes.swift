/// How many images a pass takes. A few sizes serve all requests, so that an odd remainder needs no plan of its own; it runs in smaller passes, or in one that is padded.
struct BatchSizes {
    /// Ascending.
    private(set) var sizes: [Int]

    /// - Parameters:
    ///   - chosen: the caller's size; 0: the library's.
    ///   - pixels: of one image.
    init(chosen: Int, pixels: Int) {
        let largest = chosen > 0 ? chosen : Self.best(pixels: pixels)
        sizes = [1, 8, 32].filter { $0 < largest } + [largest]
    }

    static func best(pixels: Int) -> Int { pixels <= 64 * 64 ? 128 : 32 }

    /// For the next pass, with `left` images to go: a size, of which up to `left` are used. At most a quarter of a pass is padding.
    func next(_ left: Int) -> Int {
        for size in sizes.reversed() where size * 3 <= left * 4 { return size }
        return 1
    }

    /// Does without `size` and all larger ones, for which there is no memory. False: nothing is left.
    mutating func giveUp(_ size: Int) -> Bool {
        sizes.removeAll { $0 >= size }
        return !sizes.isEmpty
    }
}
