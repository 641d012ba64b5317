let clock = ContinuousClock()

/// Times `body` and prints one JSON line.
func report(_ name: String, _ subject: String, runs: Int, warmUp: Int, _ more: [(String, String)] = [], _ body: () throws -> Void) rethrows {
    for _ in 0..<warmUp { try body() }
    var seconds: [Double] = []
    for _ in 0..<runs { seconds.append(try clock.measure(body) / .seconds(1)) }
    seconds.sort()
    func number(_ x: Double) -> String { "\((x * 1e8).rounded() / 1e8)" }
    let extra = more.map { ", \"\($0.0)\": \($0.1)" }.joined()
    print("{\"case\": \"\(name)\", \"median_s\": \(number(seconds[runs / 2])), \"min_s\": \(number(seconds[0])), \"runs\": \(runs), \"subject\": \"\(subject)\"\(extra)}")
}
