import SupConTensor

/// Metadata fields are the strings of a file's metadata under "supcon.…", read with their types.
struct MetadataFields {
    let pairs: [String: String]

    /// Returns whether there is a field of a name.
    func has(_ key: String) -> Bool { pairs["supcon." + key] != nil }

    /// Returns a field. Errors: format (there is none of that name).
    func text(_ key: String) throws(SupConError) -> String {
        guard let text = pairs["supcon." + key] else {
            throw SupConError(.format, "its metadata has no supcon.\(key)")
        }
        return text
    }

    /// Returns a field as an integer. Errors: format.
    func integer(_ key: String) throws(SupConError) -> Int {
        let text = try text(key)
        guard let number = Int(text) else { throw bad(key, text, "an integer") }
        return number
    }

    /// Returns a field of 0 or 1 as a Boolean. Errors: format.
    func flag(_ key: String) throws(SupConError) -> Bool {
        let number = try integer(key)
        guard number == 0 || number == 1 else { throw bad(key, "\(number)", "0 or 1") }
        return number == 1
    }

    /// Returns a field as a case of an enumeration. Errors: format.
    func choice<T: RawRepresentable & CaseIterable>(_ key: String, _ type: T.Type)
        throws(SupConError) -> T where T.RawValue == String
    {
        let text = try text(key)
        guard let value = T(rawValue: text) else {
            throw bad(key, text, "one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return value
    }

    /// Returns a field that is a JSON array of numbers. Errors: format.
    func numbers(_ key: String) throws(SupConError) -> [Float] {
        let values = try list(key).map { $0.number }
        guard values.allSatisfy({ $0 != nil }) else { throw bad(key, try text(key), "numbers") }
        return values.compactMap { $0.map(Float.init) }
    }

    /// Returns a field that is a JSON array of strings. Errors: format.
    func strings(_ key: String) throws(SupConError) -> [String] {
        let values = try list(key), strings = values.compactMap(\.string)
        try require(
            strings.count == values.count, .format, "its supcon.\(key) is not an array of strings")
        return strings
    }

    private func list(_ key: String) throws(SupConError) -> [JSON] {
        let text = try text(key)
        guard let values = try JSON(parsing: text).array else {
            throw bad(key, text, "a JSON array")
        }
        return values
    }

    private func bad(_ key: String, _ text: String, _ expected: String) -> SupConError {
        SupConError(.format, "its supcon.\(key) is \"\(text.prefix(100))\"; expected \(expected)")
    }
}
