/// Returns whether a name precedes another in natural order, where runs of digits count as numbers:
/// "class 2" precedes "class 10". Names that differ only in leading zeros, and everything else, are
/// in byte order.
func naturallyPrecedes(_ a: some Collection<UInt8>, _ b: some Collection<UInt8>) -> Bool {
    var (x, y) = (a[...], b[...])
    while let first = x.first, let second = y.first {
        if first.isDigit && second.isDigit {
            let number = x.prefix { $0.isDigit }.drop { $0 == UInt8(ascii: "0") }
            let other = y.prefix { $0.isDigit }.drop { $0 == UInt8(ascii: "0") }
            if number.count != other.count { return number.count < other.count }
            if !number.elementsEqual(other) { return number.lexicographicallyPrecedes(other) }
            x = x.drop { $0.isDigit }
            y = y.drop { $0.isDigit }
        } else if first != second {
            return first < second
        } else {
            x = x.dropFirst()
            y = y.dropFirst()
        }
    }
    if x.isEmpty && y.isEmpty { return a.lexicographicallyPrecedes(b) }
    return x.isEmpty
}

extension UInt8 {
    fileprivate var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }
}
