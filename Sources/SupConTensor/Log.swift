import Glibc
import Synchronization

/// The log carries messages about the library's work; it is silent unless there is a listener.
package enum Log {
    package enum Level: Int32, Sendable, Comparable, CaseIterable {
        case debug = 0, info, warning
        package static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    }

    private struct Listener: Sendable {
        var level: Level
        var receive: @Sendable (Level, String) -> Void
    }
    private static let listener = Mutex<Listener?>(nil)
    private static let delivery = Delivery()

    /// Sends messages of `level` and above to `receive`, one at a time, from any thread; nil: to
    /// nobody. When this returns, no call of the former listener is running, unless that listener
    /// itself made this call.
    package static func setListener(_ level: Level, _ receive: (@Sendable (Level, String) -> Void)?)
    {
        delivery.run { _ in
            listener.withLock { $0 = receive.map { Listener(level: level, receive: $0) } }
        }
    }

    /// Writes a message, which is only evaluated if there is a listener at this level. A listener
    /// may call the library; messages that this logs on the listener's own thread are dropped, to
    /// avoid endless recursion.
    package static func write(_ level: Level, _ message: @autoclosure () -> String) {
        guard let level = listening(at: level) else { return }
        let message = message()
        delivery.run { isNested in
            // Checked again, since the listener may have gone while this waited.
            guard !isNested, let current = listener.withLock({ $0 }), level >= current.level else {
                return
            }
            current.receive(level, message)
        }
    }

    private static func listening(at level: Level) -> Level? {
        listener.withLock { $0.map { level >= $0.level } ?? false } ? level : nil
    }
}

/// A delivery runs one call at a time over all threads; the thread that is running one may make
/// nested calls.
private final class Delivery: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    /// The depth of nested calls of `run`; guarded by the lock.
    private var depth = 0

    init() {
        lock = .allocate(capacity: 1)
        var attributes = pthread_mutexattr_t()
        pthread_mutexattr_init(&attributes)
        pthread_mutexattr_settype(&attributes, Int32(PTHREAD_MUTEX_RECURSIVE))
        pthread_mutex_init(lock, &attributes)
        pthread_mutexattr_destroy(&attributes)
    }

    func run(_ body: (_ isNested: Bool) -> Void) {
        pthread_mutex_lock(lock)
        depth += 1
        defer {
            depth -= 1
            pthread_mutex_unlock(lock)
        }
        body(depth > 1)
    }
}
