import SupConTensor

extension DatasetOptions {
    /// Throws unless all options are valid. Errors: argument.
    package func validate() throws(SupConError) {
        try require(
            channels == 0 || channels == 1 || channels == 3, .argument,
            """
            channels is \(channels); expected 1 (gray), 3 (RGB), or 0: 3 for files, as stored \
            elsewhere
            """
        )
        try validateRanges()
    }

    /// Returns the number of channels of images that are stored with `stored` channels.
    func channels(stored: Int) -> Int { channels == 0 ? stored : channels }
}
