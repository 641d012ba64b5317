import SupCon

/// Returns the enumeration's case of a number. Errors: argument.
func choice<Choice: RawRepresentable & CaseIterable>(_ raw: Int32, _ field: String)
    throws(SupConError) -> Choice where Choice.RawValue == Int32
{
    guard let found = Choice(rawValue: raw) else {
        throw noChoice(raw, field, Choice.allCases.map { ($0.rawValue, "\($0)") })
    }
    return found
}

/// Returns the error of a number that is none of the choices'.
func noChoice(_ raw: Int32, _ field: String, _ choices: [(Int32, String)]) -> SupConError {
    let words = choices.map { "\($0) (\($1))" }.joined(separator: ", ")
    return SupConError(.argument, "\(field) is \(raw); expected \(words)")
}

/// Returns a flag, 0 or 1, as a Boolean. Errors: argument.
func flag(_ raw: Int32, _ field: String) throws(SupConError) -> Bool {
    try require(raw == 0 || raw == 1, .argument, "\(field) is \(raw); expected 0 or 1")
    return raw == 1
}

/// Returns a count that came as int64_t, of at most `Dataset.mostImages`. Errors: argument.
func count(_ value: Int64, _ name: String, least: Int = 1) throws(SupConError) -> Int {
    try require(
        (least...Dataset.mostImages).contains(Int(value)), .argument,
        "\(name) is \(value); expected \(least) to \(Dataset.mostImages)")
    return Int(value)
}

/// Returns the elements that a buffer holds. Errors: argument.
func capacity(_ value: Int64, _ name: String) throws(SupConError) -> Int {
    try require(value >= 0, .argument, "\(name) is \(value); expected 0 or more")
    return Int(value)
}

/// Returns the numbers of a list that the caller holds. Errors: argument.
func integers(_ list: UnsafePointer<Int32>?, _ number: Int64, _ name: String) throws(SupConError)
    -> [Int]
{
    guard number != 0 else { return [] }
    let number = try listCount(number, "the number of \(name)", least: 0)
    let list = try needed(list, name)
    return (0..<number).map { Int(list[$0]) }
}

/// Throws unless a reserved field is 0. Errors: argument.
func zero(_ value: Int32, _ name: String) throws(SupConError) {
    try require(value == 0, .argument, "\(name) is \(value); expected 0")
}

/// Returns the length of a list that will be copied, with memory for it. Errors: argument, memory.
func listCount(_ value: Int64, _ name: String, least: Int = 1) throws(SupConError) -> Int {
    let number = try count(value, name, least: least)
    try Dataset.checkListMemory(number, for: "a list of \(number) entries")
    return number
}
