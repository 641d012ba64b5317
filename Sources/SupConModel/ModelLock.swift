import SupConTensor
import Synchronization

/// Many at once, or one alone; nobody waits: who comes at the wrong time gets a state error.
final class ModelLock: Sendable {
    /// How many share; -1: one has it alone.
    private let users = Mutex(0)

    var isExclusive: Bool { users.withLock { $0 < 0 } }

    /// Errors: state, and those of `body`.
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

    /// Errors: state, and those of `body`.
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
