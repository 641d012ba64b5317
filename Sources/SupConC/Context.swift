import CSupCon
import SupCon

final class ContextHandle: Sendable {
    let context: ExecutionContext
    init(_ context: ExecutionContext) { self.context = context }

    /// Returns the handle's context, or the default for NULL. Errors: argument.
    static func context(_ handle: OpaquePointer?) throws(SupConError) -> ExecutionContext {
        guard let handle else { return .default }
        return try object(handle, ContextHandle.self, "context").context
    }

    /// Returns the handle's context; nil if it is not a context.
    static func context(ifAny handle: OpaquePointer?) -> ExecutionContext? {
        guard let handle else { return .default }
        return object(ifAny: handle, ContextHandle.self)?.context
    }
}

@c @implementation
public func supcon_context_create(
    _ options: UnsafePointer<supcon_context_options>?,
    _ context: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(context, "context") { () throws(SupConError) in
        let options = try supcon_context_options.read(options)
        return ContextHandle(
            try ExecutionContext(
                threads: Int(options.threads), memoryLimit: Int(options.memory_limit)))
    }
}

@c @implementation
public func supcon_context_free(_ context: OpaquePointer?) { release(context, ContextHandle.self) }

@c @implementation
public func supcon_context_threads(_ context: OpaquePointer?) -> Int32 {
    Int32(ContextHandle.context(ifAny: context)?.threads ?? 0)
}

@c @implementation
public func supcon_context_cancel(_ context: OpaquePointer?) {
    ContextHandle.context(ifAny: context)?.cancel()
}
