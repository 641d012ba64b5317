import SupConTensor
import Synchronization

/// A model lock allows either many users at once or a single exclusive one. Nobody waits: a
/// conflicting call gets a state error.
final class ModelLock: Sendable {
    /// The number of users that share; -1: one has exclusive use.
    private let users = Mutex(0)

    var isExclusive: Bool { users.withLock { $0 < 0 } }

    /// Runs `body` as one of the sharing users. Errors: state, and those of `body`.
    func shared<R>(_ body: () throws(SupConError) -> R) throws(SupConError) -> R {
        let entered = users.withLock { users in
            if users >= 0 { users += 1 }
            return users > 0
        }
        try require(
            entered, .state, "the model is being trained or fitted; wait until that has ended")
        defer { users.withLock { $0 -= 1 } }
        return try body()
    }

    /// Runs `body` as the exclusive user. Errors: state, and those of `body`.
    func exclusive<R>(_ body: () throws(SupConError) -> R) throws(SupConError) -> R {
        let former = users.withLock { users in
            defer { if users == 0 { users = -1 } }
            return users
        }
        try require(
            former >= 0, .state,
            "the model is being trained or fitted already; wait until that has ended")
        try require(
            former == 0, .state,
            """
            the model is in use by \(former) other \(former == 1 ? "call" : "calls"); \
            training and fitting need it alone
            """
        )
        defer { users.withLock { $0 = 0 } }
        return try body()
    }
}
