import Glibc

/// A background thread runs a function of the library beside the host's threads. It blocks all
/// signals: those are for the host's threads.
package final class BackgroundThread {
    private final class Body {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }
    private var thread = pthread_t()
    private let process = getpid()

    /// Starts a thread that runs `body`; an error gives its purpose by `name`. Errors: memory.
    package init(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SupConError) {
        var (all, former) = (sigset_t(), sigset_t())
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &former)
        defer { pthread_sigmask(SIG_SETMASK, &former, nil) }
        let start = Unmanaged.passRetained(Body(body))
        let status = pthread_create(
            &thread, nil,
            { argument in
                if let argument {
                    Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                }
                return nil
            }, start.toOpaque())
        if status != 0 {
            start.release()
            throw SupConError(
                .memory, "cannot start a \(name) thread: \(String(cString: strerror(status)))")
        }
    }

    /// Whether this process has the thread: it does not exist in a forked child, where its locks
    /// stay locked.
    package var exists: Bool { process == getpid() }

    /// Lets the thread end by itself: nobody waits for it.
    package func detach() { if exists { pthread_detach(thread) } }

    /// Waits until the body has ended; in a forked child it returns at once.
    package func join() { if exists { pthread_join(thread, nil) } }
}
