import CSupCon
import SupCon

/// Host collectives call the functions that the host has supplied.
final class HostCollectives: Collectives {
    private let host: supcon_collectives
    /// The memory of `allToAll` where the host has no function for it.
    private var scratch: AlignedBuffer?

    /// Reads the host's functions. Errors: argument (a missing one).
    init(_ pointer: UnsafePointer<supcon_collectives>) throws(SupConError) {
        host = try supcon_collectives.read(pointer, defaults: .empty)
        for (isThere, name) in [
            (host.all_reduce_sum != nil, "all_reduce_sum"), (host.all_gather != nil, "all_gather"),
            (host.broadcast != nil, "broadcast"), (host.barrier != nil, "barrier"),
        ] {
            try require(isThere, .argument, "collectives.\(name) is NULL; expected a function")
        }
        try require(
            (0...1).contains(host.any_thread), .argument,
            "collectives.any_thread is \(host.any_thread); expected 0 or 1")
    }

    var rank: Int { Int(host.rank) }
    var world: Int { Int(host.world) }
    var allowsAnyThread: Bool { host.any_thread != 0 }

    func allReduceSum(_ values: UnsafeMutablePointer<Float>, count: Int) throws(SupConError) {
        try check(host.all_reduce_sum?(values, Int64(count), host.user_data), "all_reduce_sum")
    }

    func allGather(
        _ bytes: UnsafeRawPointer, byteCount: Int, into gathered: UnsafeMutableRawPointer
    ) throws(SupConError) {
        try check(
            host.all_gather?(bytes, Int64(byteCount), gathered, host.user_data), "all_gather")
    }

    func allToAll(
        _ bytes: UnsafeRawPointer, byteCount: Int, into received: UnsafeMutableRawPointer
    ) throws(SupConError) {
        guard let exchange = host.all_to_all else {
            return try allToAllByGathering(
                bytes, byteCount: byteCount, into: received, through: &scratch)
        }
        try check(exchange(bytes, Int64(byteCount), received, host.user_data), "all_to_all")
    }

    func broadcast(_ bytes: UnsafeMutableRawPointer, byteCount: Int, root: Int) throws(SupConError)
    {
        try check(
            host.broadcast?(bytes, Int64(byteCount), Int32(root), host.user_data), "broadcast")
    }

    func barrier() throws(SupConError) { try check(host.barrier?(host.user_data), "barrier") }

    /// Throws if a function has failed. Errors: io.
    private func check(_ outcome: Int32?, _ name: String) throws(SupConError) {
        let outcome = outcome ?? -1
        guard outcome != 0 else { return }
        throw SupConError(
            .io,
            "rank \(rank) of \(world): \(name) failed (\(description ?? "it returned \(outcome)"))"
        )
    }

    /// The host's description of its last failure; nil if it has none.
    private var description: String? {
        guard let describe = host.describe_failure else { return nil }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { text in
            text.initialize(repeating: 0)
            guard let start = text.baseAddress,
                describe(start, Int64(text.count - 1), host.user_data) == 0, text[0] != 0
            else { return nil }
            return String(cString: start)
        }
    }
}

@c @implementation
public func supcon_collectives_init_sized(
    _ collectives: UnsafeMutablePointer<supcon_collectives>?, _ size: Int
) {
    supcon_collectives.empty.initialize(collectives, size)
}

@c @implementation
public func supcon_trainer_create_distributed(
    _ context: OpaquePointer?, _ model: OpaquePointer?, _ dataset: OpaquePointer?,
    _ options: UnsafePointer<supcon_train_options>?,
    _ collectives: UnsafePointer<supcon_collectives>?,
    _ trainer: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(trainer, "trainer") { () throws(SupConError) in
        let host = try collectives.map { (host) throws(SupConError) in try HostCollectives(host) }
        return try Trainer(host) { () throws(SupConError) in
            Trainer.Arguments(
                try ModelHandle.model(model), try DatasetHandle.dataset(dataset),
                try TrainOptions(options), try ContextHandle.context(context))
        }
    }
}

@c @implementation
public func supcon_collectives_fail(
    _ collectives: UnsafePointer<supcon_collectives>?, _ reason: supcon_status,
    _ message: UnsafePointer<CChar>?
) -> supcon_status {
    status { () throws(SupConError) in
        let host = try HostCollectives(try needed(collectives, "collectives"))
        try host.fail(
            SupConError(
                SupConError.Kind(rawValue: reason) ?? .internal,
                message == nil ? "no reason is given" : text(message, "message")))
    }
}

@c @implementation
public func supcon_dataset_join(
    _ part: OpaquePointer?, _ collectives: UnsafePointer<supcon_collectives>?,
    _ joined: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(joined, "joined") { () throws(SupConError) in
        let host = try HostCollectives(try needed(collectives, "collectives"))
        return DatasetHandle(
            try Dataset.joined(over: host) { () throws(SupConError) in
                try DatasetHandle.dataset(part)
            })
    }
}

@c @implementation
public func supcon_dataset_own_part(
    _ joined: OpaquePointer?, _ part: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(part, "part") { () throws(SupConError) in
        DatasetHandle(try DatasetHandle.dataset(joined).ownPart())
    }
}
