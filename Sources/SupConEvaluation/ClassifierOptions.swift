import SupConTensor

extension ClassifierOptions {
    /// Throws unless all options are valid. Errors: argument.
    package func validate() throws(SupConError) { try validateRanges() }
}
