import SupConTensor

extension Dataset {
    /// Returns the images that can currently be decoded, their indices here, and "path: reason" for
    /// each of the others. Errors: those of decoding that do not concern a file.
    package func readable(context: ExecutionContext = .default) throws(SupConError) -> (
        images: Dataset, indices: [Int], unreadable: [String]
    ) {
        let reader = ImageReader(self, DecodeGate(context))
        var (kept, unreadable): ([Int], [String]) = ([], [])
        for index in 0..<count {
            do throws(SupConError) {
                _ = try reader.open(index)
                _ = try reader.pixels(atLeast: 1)
                kept.append(index)
            } catch {
                guard error.isOfFile else { throw error }
                unreadable.append(error.message)
            }
        }
        return (try subset(kept), kept, unreadable)
    }
}
