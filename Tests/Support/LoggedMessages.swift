import SupConTensor
import Synchronization

/// A lock that is held while a test listens: the process has one log, and suites run in parallel.
private let listening = Mutex(())

/// Runs `body` and returns the messages logged meanwhile at `level` and above, by any test.
package func loggedMessages(_ level: Log.Level, _ body: () throws -> Void) rethrows -> [String] {
    final class Heard: Sendable { let messages = Mutex<[String]>([]) }
    return try listening.withLock { _ in
        let heard = Heard()
        Log.setListener(level) { _, message in heard.messages.withLock { $0.append(message) } }
        defer { Log.setListener(level, nil) }
        try body()
        return heard.messages.withLock { $0 }
    }
}
