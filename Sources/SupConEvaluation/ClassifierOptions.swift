import SupConTensor

extension ClassifierOptions {
    /// Errors: argument.
    package func validate() throws(SupConError) { try validateRanges() }
}
