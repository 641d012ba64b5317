import Glibc
import SupCon
import Synchronization

/// A reference that the caller of the C API owns.
func retained(_ object: AnyObject) -> OpaquePointer {
    OpaquePointer(Unmanaged.passRetained(object).toOpaque())
}

/// What `retained` made, once more in Swift. A pointer that is no handle cannot be told from one:
/// it is the caller's promise.
func object<Object: AnyObject>(_ handle: OpaquePointer?, _: Object.Type, _ name: String)
    throws(SupConError) -> Object
{
    Unmanaged<Object>.fromOpaque(UnsafeRawPointer(try needed(handle, name))).takeUnretainedValue()
}

func object<Object: AnyObject>(ifAny handle: OpaquePointer?, _: Object.Type) -> Object? {
    handle.map { Unmanaged<Object>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
}

/// Freeing NULL is legal.
func release<Object: AnyObject>(_ handle: OpaquePointer?, _: Object.Type) {
    if let handle { Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).release() }
}

/// Errors: argument.
func needed<P>(_ pointer: P?, _ name: String) throws(SupConError) -> P {
    guard let pointer else { throw SupConError(.argument, "\(name) is NULL; expected a pointer") }
    return pointer
}

/// Errors: argument.
func text(_ pointer: UnsafePointer<CChar>?, _ name: String) throws(SupConError) -> String {
    String(cString: try needed(pointer, name))
}

/// Strings that are handed to C and live as long as their owner: each is made once.
final class CStrings: Sendable {
    private struct Kept: @unchecked Sendable {
        var pointers: [String: UnsafeMutablePointer<CChar>] = [:]
    }
    private let kept = Mutex(Kept())

    subscript(_ text: String) -> UnsafePointer<CChar>? {
        kept.withLock { kept in
            if let known = kept.pointers[text] { return UnsafePointer(known) }
            let made = strdup(text)
            kept.pointers[text] = made
            return made.map { UnsafePointer($0) }
        }
    }

    deinit { kept.withLock { kept in kept.pointers.values.forEach { free($0) } } }
}
