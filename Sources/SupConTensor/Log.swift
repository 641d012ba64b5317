import Synchronization

/// Messages about what the library does; silent until somebody listens.
public enum Log {
    public enum Level: Int32, Sendable, Comparable, CaseIterable {
        case debug = 0, info, warning
        public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    }

    private struct Listener: Sendable {
        var level: Level
        var receive: @Sendable (Level, String) -> Void
    }
    private static let listener = Mutex<Listener?>(nil)

    /// Sends messages of `level` and above to `receive`, one at a time, from any thread; nil: to
    /// nobody.
    public static func setListener(_ level: Level, _ receive: (@Sendable (Level, String) -> Void)?)
    {
        listener.withLock { $0 = receive.map { Listener(level: level, receive: $0) } }
    }

    /// `message` is only made if somebody listens at this level. A listener that logs would wait
    /// for itself: it must not call the library.
    public static func write(_ level: Level, _ message: @autoclosure () -> String) {
        listener.withLock {
            if let current = $0, level >= current.level { current.receive(level, message()) }
        }
    }
}
