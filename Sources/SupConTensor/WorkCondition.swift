import Glibc

/// A work condition is a lock with two conditions that threads wait for: there is new work, and
/// some work is done.
package final class WorkCondition: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let work = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let done = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    package init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(work, nil)
        pthread_cond_init(done, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(work)
        pthread_cond_destroy(done)
        mutex.deallocate()
        work.deallocate()
        done.deallocate()
    }

    package func lock() { pthread_mutex_lock(mutex) }
    package func unlock() { pthread_mutex_unlock(mutex) }
    /// Waits while holding the lock, which is released meanwhile.
    package func waitForWork() { pthread_cond_wait(work, mutex) }
    package func waitUntilDone() { pthread_cond_wait(done, mutex) }
    package func announceWork() { pthread_cond_broadcast(work) }
    package func announceDone() { pthread_cond_broadcast(done) }

    package func withLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        lock()
        defer { unlock() }
        return try body()
    }
}
