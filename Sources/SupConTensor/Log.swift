import Glibc
import Synchronization

/// Messages about what the library does; silent until somebody listens.
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
    /// nobody. When this returns, no call of the former listener is under way, unless it is the
    /// former listener that called this.
    package static func setListener(_ level: Level, _ receive: (@Sendable (Level, String) -> Void)?)
    {
        delivery.run { _ in
            listener.withLock { $0 = receive.map { Listener(level: level, receive: $0) } }
        }
    }

    /// `message` is only made if somebody listens at this level. A listener may call the library;
    /// what that logs on the listener's own thread is left out, or it would never end.
    package static func write(_ level: Level, _ message: @autoclosure () -> String) {
        guard let level = listening(at: level) else { return }
        let message = message()
        delivery.run { isNested in
            // Again: the listener may have gone while this waited.
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

/// One call at a time over all threads, in which the thread that has its turn may call again.
private final class Delivery: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    /// Calls of `run` on top of each other; guarded by the lock.
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
