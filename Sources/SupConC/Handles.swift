import Glibc
import SupCon
import Synchronization

/// A reference that the caller of the C API owns.
func retained(_ object: AnyObject) -> OpaquePointer {
    OpaquePointer(Unmanaged.passRetained(object).toOpaque())
}

/// What `retained` made, once more in Swift. Errors: argument (NULL; a pointer to something else,
/// or, as a rule, to what was freed).
func object<Object: AnyObject>(_ handle: OpaquePointer?, _: Object.Type, _ name: String)
    throws(SupConError) -> Object
{
    guard let object = object(ifAny: try needed(handle, name), Object.self) else {
        throw SupConError(
            .argument,
            "\(name) is no handle of its kind; expected one that this library made and nobody freed"
        )
    }
    return object
}

/// Nil for NULL, and for a pointer to something else. A Swift object begins with the address of its
/// class, which is nowhere else in memory by chance; what the allocator takes back it overwrites.
func object<Object: AnyObject>(ifAny handle: OpaquePointer?, _: Object.Type) -> Object? {
    guard let handle else { return nil }
    let pointer = UnsafeRawPointer(handle)
    guard Int(bitPattern: pointer) % MemoryLayout<UnsafeRawPointer>.alignment == 0,
        pointer.load(as: UnsafeRawPointer.self)
            == unsafeBitCast(
                Object.self, to: UnsafeRawPointer.self)
    else { return nil }
    return Unmanaged<Object>.fromOpaque(pointer).takeUnretainedValue()
}

/// Freeing NULL is legal; freeing what is no such handle does nothing.
func release<Object: AnyObject>(_ handle: OpaquePointer?, _: Object.Type) {
    if let object = object(ifAny: handle, Object.self) {
        Unmanaged.passUnretained(object).release()
    }
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

/// A path, byte for byte: it need not be UTF-8. Errors: argument.
func path(_ pointer: UnsafePointer<CChar>?, _ name: String) throws(SupConError) -> RawPath {
    RawPath(cString: try needed(pointer, name))
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
