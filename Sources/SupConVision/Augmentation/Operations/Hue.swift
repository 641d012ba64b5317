import CKernels

/// Turns the hue in HSV; three channels (torchvision's adjust_hue).
struct Hue: ImageOperation {
    /// 0 ≤ turns < 1.
    var turns: Float

    /// Any number of turns.
    init(turns: Float) {
        let rest = turns - turns.rounded(.down)
        self.turns = rest < 1 ? rest : 0  // of a tiny negative number 1 is left
    }

    func apply(_ pixels: PlanarPixels, grayMean: Float) {
        sc_hue(pixels.first, Int64(pixels.plane), Int64(pixels.count), turns)
    }
}
