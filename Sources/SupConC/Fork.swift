import Glibc
import SupCon
import Synchronization

/// Detects whether this process is a forked child of one that has used the library. The library's
/// threads do not exist in the child, and waiting for them would hang.
enum Fork {
    private static let isChild = Atomic<Bool>(false)
    private static let watch: Void = {
        pthread_atfork(nil, nil) { Fork.isChild.store(true, ordering: .relaxed) }
    }()

    /// Throws in a forked child. Errors: fork.
    static func check() throws(SupConError) {
        _ = watch
        try require(
            !isChild.load(ordering: .relaxed), .fork,
            """
            the library was used before fork() and cannot be used in the child, where its \
            threads do not exist; use it in one of the two only, or fork and exec
            """
        )
    }
}
