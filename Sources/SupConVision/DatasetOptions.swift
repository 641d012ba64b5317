import SupConTensor

/// How data sets are made; the fields are those of `supcon_dataset_options`.
public struct DatasetOptions: Sendable, Equatable {
    /// What happens to a file that is no readable image.
    public enum OnError: Int32, Sendable, CaseIterable {
        /// It is left out and named by `Dataset.skipped`.
        case skip = 0
        /// The first one, in the data set's order, is an error.
        case refuse = 1
    }

    public var onError: OnError
    /// Of the images that come out: 1 (gray) or 3 (RGB); 0: 3 for files, as stored elsewhere.
    public var channels: Int
    /// Images in memory are copied; otherwise the pixels stay the caller's, valid and unchanged as
    /// long as the data set and what was made from it live.
    public var copies: Bool
    /// Pixels that an image of a file may have; one with more counts as unreadable. 0:
    /// `defaultMostPixels`.
    public var maxPixels: Int

    /// As many pixels as Pillow takes for an attack on the memory (twice its warning's number,
    /// which is a quarter of 2³⁰ bytes at 3 bytes a pixel).
    public static let defaultMostPixels = 178_956_970

    public init(
        onError: OnError = .skip, channels: Int = 0, copies: Bool = false, maxPixels: Int = 0
    ) {
        (self.onError, self.channels, self.copies) = (onError, channels, copies)
        self.maxPixels = maxPixels
    }

    /// Errors: argument.
    public func validate() throws(SupConError) {
        try require(
            channels == 0 || channels == 1 || channels == 3, .argument,
            """
            channels is \(channels); expected 1 (gray), 3 (RGB), or 0: 3 for files, as stored \
            elsewhere
            """
        )
        // 2³²: the longest sides, 65,536 pixels each.
        try require(
            (0...1 << 32).contains(maxPixels), .argument,
            "max_pixels is \(maxPixels); expected 1 to \(1 << 32), or 0: \(Self.defaultMostPixels)")
    }

    /// Pixels that an image may have.
    var mostPixels: Int { maxPixels == 0 ? Self.defaultMostPixels : maxPixels }

    /// The channels of images that are stored with `stored` channels.
    func channels(stored: Int) -> Int { channels == 0 ? stored : channels }
}
