import Glibc
import SupCon

/// Times a training step alternately while another process computes, unpinned and with normal
/// priority, and without it.
///
/// `slowdown` is the ratio of the means of both times: single steps are fast or slow as the system
/// assigns the cores.
func busy(_ arguments: Arguments) throws {
    let step = try Step(arguments)
    let rounds = arguments.number("rounds", 4)
    let seconds = Double(arguments.number("seconds", 4))
    var (quietTimes, busyTimes) = ([Double](), [Double]())
    for _ in 0..<2 { try step.run() }
    for _ in 0..<rounds {
        quietTimes += try times(lasting: seconds / 2) { try step.run() }
        let foreign = try startForeign()
        defer { stop(foreign) }
        busyTimes += try times(lasting: seconds) { try step.run() }
    }
    report(
        busyTimes.sorted(),
        [
            ("quiet_s", .number(quietTimes.sorted()[quietTimes.count / 2])),
            ("slowdown", .number(mean(busyTimes) / mean(quietTimes))),
        ])
}

/// Computes until the process that started it has ended; this is the other process of `busy`.
func foreign(_ arguments: Arguments) throws {
    let parent = getppid()
    var (x, rounds) = (1.0, 0)
    while getppid() == parent && x > 0 {
        for _ in 0..<10_000_000 { x = x * 0.999_999 + 1e-6 }
        rounds += 1
    }
}

private func mean(_ times: [Double]) -> Double { times.reduce(0, +) / Double(times.count) }

/// Returns the times of `body` until they add up to `limit` seconds; at least three.
private func times(lasting limit: Double, _ body: () throws -> Void) rethrows -> [Double] {
    var (all, sum) = ([Double](), 0.0)
    while sum < limit || all.count < 3 {
        all.append(try seconds(body))
        sum += all[all.count - 1]
    }
    return all
}

private func startForeign() throws -> pid_t {
    var (process, words) = (pid_t(), [strdup("benchmark"), strdup("foreign"), nil])
    defer { words.forEach { free($0) } }
    let status = posix_spawn(&process, "/proc/self/exe", nil, nil, &words, environ)
    try require(status == 0, .internal, "the foreign process does not start: status \(status)")
    return process
}

private func stop(_ process: pid_t) {
    kill(process, SIGKILL)
    waitpid(process, nil, 0)
}
