import Glibc
import SupCon
import Synchronization

/// Returns a handle for an object, with a reference that the caller of the C API owns.
func retained(_ object: AnyObject) -> OpaquePointer {
    OpaquePointer(Unmanaged.passRetained(object).toOpaque())
}

/// Returns the object of a handle that `retained` has made. Errors: argument (NULL; a pointer to
/// something else, or, usually, to an object that has been freed).
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

/// Returns the object of a handle; nil for NULL, and for a pointer to something else. A Swift
/// object begins with the address of its class, which does not occur elsewhere in memory by chance;
/// freeing an object overwrites it.
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

/// Releases a handle. Freeing NULL is legal; freeing anything that is no such handle does nothing.
func release<Object: AnyObject>(_ handle: OpaquePointer?, _: Object.Type) {
    if let object = object(ifAny: handle, Object.self) {
        Unmanaged.passUnretained(object).release()
    }
}

/// Returns a pointer that must not be NULL. Errors: argument.
func needed<P>(_ pointer: P?, _ name: String) throws(SupConError) -> P {
    guard let pointer else { throw SupConError(.argument, "\(name) is NULL; expected a pointer") }
    return pointer
}

/// The most bytes of a string, which is copied to memory that must not be refused.
private let longestString = 1 << 15

/// Returns the bytes of a string, without the final NUL. Errors: argument (NULL, too long).
private func bytes(_ pointer: UnsafePointer<CChar>?, _ name: String) throws(SupConError)
    -> UnsafeRawBufferPointer
{
    let start = try needed(pointer, name)
    let count = strnlen(start, longestString + 1)
    try require(
        count <= longestString, .argument,
        "\(name) has more than \(longestString) bytes; expected a shorter string")
    return UnsafeRawBufferPointer(start: start, count: count)
}

/// Returns a string that must not be NULL. Errors: argument.
func text(_ pointer: UnsafePointer<CChar>?, _ name: String) throws(SupConError) -> String {
    String(decoding: try bytes(pointer, name), as: UTF8.self)
}

/// Returns a path, byte for byte, since it need not be UTF-8. Errors: argument.
func path(_ pointer: UnsafePointer<CChar>?, _ name: String) throws(SupConError) -> RawPath {
    RawPath(bytes: Array(try bytes(pointer, name)))
}

/// Returns a path, or nil for NULL. Errors: argument.
func path(ifAny pointer: UnsafePointer<CChar>?, _ name: String) throws(SupConError) -> RawPath? {
    pointer == nil ? nil : try path(pointer, name)
}

/// Checks memory for a list of strings that will be copied. NULL ones count as empty. Errors:
/// argument (too long), memory.
func checkStrings(
    _ pointers: UnsafePointer<UnsafePointer<CChar>?>, _ count: Int, _ name: String
) throws(SupConError) {
    var total = 0
    for i in 0..<count where pointers[i] != nil {
        total += try bytes(pointers[i], "\(name)[\(i)]").count
    }
    try Dataset.checkListMemory(
        count + 4 * total / 512, bytes: 512, for: "\(count) strings of \(total) bytes")
}

/// C strings are handed to C and live as long as their owner; each is made once.
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
