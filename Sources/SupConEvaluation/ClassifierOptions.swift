import SupConTensor

extension ClassifierOptions {
    /// Errors: argument.
    public func validate() throws(SupConError) { try validateRanges() }
}
