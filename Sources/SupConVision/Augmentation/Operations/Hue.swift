import CKernels

/// Hue rotates the hue in HSV, for images of three channels (torchvision's adjust_hue).
struct Hue: ImageOperation {
    /// The rotation in turns, 0 ≤ turns < 1.
    var turns: Float

    /// Makes a rotation by any number of turns.
    init(turns: Float) {
        let rest = turns - turns.rounded(.down)
        self.turns = rest < 1 ? rest : 0  // of a tiny negative number 1 is left
    }

    func apply(_ pixels: PlanarPixels, grayMean: Float) {
        sc_hue(pixels.first, Int64(pixels.plane), Int64(pixels.count), turns)
    }
}
