import Glibc

private let clock = ContinuousClock()

/// Returns the duration of `body` in seconds.
func seconds(_ body: () throws -> Void) rethrows -> Double { try clock.measure(body) / .seconds(1) }

/// Returns the times of `body`, in ascending order, after `warmUp` runs that do not count.
func times(runs: Int, warmUp: Int, _ body: () throws -> Void) rethrows -> [Double] {
    for _ in 0..<warmUp { try body() }
    var all: [Double] = []
    for _ in 0..<runs { all.append(try seconds(body)) }
    return all.sorted()
}

/// Prints one JSON line: median, minimum and number of the times, the process's peak memory, and
/// more.
func report(_ times: [Double], _ more: [(String, JSON)] = []) {
    emit(
        [
            ("median_s", .number(times[times.count / 2])), ("min_s", .number(times[0])),
            ("runs", .number(Double(times.count))), ("peak_bytes", .number(Double(peakMemory()))),
        ] + more)
}

enum JSON {
    case number(Double)
    case text(String)
}

func emit(_ fields: [(String, JSON)]) {
    let parts = fields.map { (name, value) in
        switch value {
        case .number(let x):
            """
            \"\(name)\": \
            \(x == x.rounded() && abs(x) < 1e15 ? "\(Int(x))" : "\((x * 1e9).rounded() / 1e9)")
            """
        case .text(let text): "\"\(name)\": \"\(text)\""
        }
    }
    print("{" + parts.joined(separator: ", ") + "}")
}

/// Returns this process's peak resident memory in bytes, "VmHWM" of /proc/self/status. Writing 5 to
/// /proc/self/clear_refs resets it to the current value.
func peakMemory(reset: Bool = false) -> Int {
    if reset {
        let file = open("/proc/self/clear_refs", O_WRONLY)
        if file >= 0 {
            _ = write(file, "5", 1)
            close(file)
        }
    }
    let file = open("/proc/self/status", O_RDONLY)
    guard file >= 0 else { return 0 }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 8192)
    let text = String(decoding: bytes[..<max(read(file, &bytes, bytes.count), 0)], as: UTF8.self)
    return
        (text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }?.split(whereSeparator: {
            !$0.isNumber
        }).first.flatMap { Int($0) } ?? 0) * 1024
}
