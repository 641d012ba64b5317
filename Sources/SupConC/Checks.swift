import SupCon

/// Returns the enumeration's case of a number. Errors: argument.
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

/// Returns a flag, 0 or 1, as a Boolean. Errors: argument.
func flag(_ raw: Int32, _ field: String) throws(SupConError) -> Bool {
    try require(raw == 0 || raw == 1, .argument, "\(field) is \(raw); expected 0 or 1")
    return raw == 1
}

/// Returns a size that came as int64_t. Errors: argument.
func count(_ value: Int64, _ name: String, least: Int = 0) throws(SupConError) -> Int {
    try require(value >= Int64(least), .argument, "\(name) is \(value); expected \(least) or more")
    return Int(value)
}

/// Returns the numbers of a list that the caller holds. Errors: argument.
func integers(_ list: UnsafePointer<Int32>?, _ number: Int64, _ name: String) throws(SupConError)
    -> [Int]
{
    guard number != 0 else { return [] }
    let number = try listCount(number, "the number of \(name)")
    let list = try needed(list, name)
    return (0..<number).map { Int(list[$0]) }
}

/// Throws unless a reserved field is 0. Errors: argument.
func zero(_ value: Int32, _ name: String) throws(SupConError) {
    try require(value == 0, .argument, "\(name) is \(value); expected 0")
}

/// Returns the length of a list that will be copied: 1 to `Dataset.mostImages`, with memory for it.
/// Errors: argument, memory.
func listCount(_ value: Int64, _ name: String) throws(SupConError) -> Int {
    let number = try count(value, name, least: 1)
    try require(
        number <= Dataset.mostImages, .argument,
        "\(name) is \(value); expected 1 to \(Dataset.mostImages)")
    try Dataset.checkListMemory(number, for: "a list of \(number) entries")
    return number
}
