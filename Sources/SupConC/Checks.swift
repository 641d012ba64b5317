import SupCon

/// The enumeration's case of that number. Errors: argument.
func choice<Choice: RawRepresentable & CaseIterable>(_ raw: Int32, _ field: String)
    throws(SupConError) -> Choice where Choice.RawValue == Int32
{
    guard let found = Choice(rawValue: raw) else {
        throw SupConError(
            .argument,
            """
            \(field) is \(raw); expected \
            \(Choice.allCases.map { "\($0.rawValue) (\($0))" }.joined(separator: ", "))
            """
        )
    }
    return found
}

/// 0 or 1. Errors: argument.
func flag(_ raw: Int32, _ field: String) throws(SupConError) -> Bool {
    try require(raw == 0 || raw == 1, .argument, "\(field) is \(raw); expected 0 or 1")
    return raw == 1
}

/// A size that came as int64_t. Errors: argument.
func count(_ value: Int64, _ name: String, least: Int = 0) throws(SupConError) -> Int {
    try require(value >= Int64(least), .argument, "\(name) is \(value); expected \(least) or more")
    return Int(value)
}
