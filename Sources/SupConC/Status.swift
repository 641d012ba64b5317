import CKernels
import CSupCon
import Glibc
import SupCon

@c @implementation
public func supcon_status_name(_ status: supcon_status) -> UnsafePointer<CChar>? {
    let names = StaticStrings.statusNames
    return names.indices.dropLast().contains(Int(status))
        ? names[Int(status)] : names[names.count - 1]
}

@c @implementation
public func supcon_last_error() -> UnsafePointer<CChar>? { sc_last_error() }

@c @implementation
public func supcon_last_error_rank() -> Int32 { sc_last_error_rank() }

/// Static strings are C strings that live as long as the library.
enum StaticStrings {
    /// The names of the statuses, by number, and "unknown".
    nonisolated(unsafe) static let statusNames =
        (["OK"] + SupConError.Kind.allCases.map { "\($0)" } + ["unknown"]).map { immortal($0) }

    static func immortal(_ text: String) -> UnsafePointer<CChar>? { UnsafePointer(strdup(text)) }
}

/// Runs the body of a function that can fail, and translates its error to a status.
func status(_ body: () throws(SupConError) -> Void) -> supcon_status {
    do throws(SupConError) {
        try Fork.check()
        try body()
        return supcon_status(SUPCON_OK)
    } catch {
        let rank = Int32(error.rank ?? -1)
        var message = error.message
        message.withUTF8 { text in
            text.withMemoryRebound(to: CChar.self) {
                sc_set_last_error($0.baseAddress, $0.count, rank)
            }
        }
        return error.kind.rawValue
    }
}

/// Runs the body of a function that returns a handle; NULL after a failure.
func handle<Object: AnyObject>(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ name: String,
    _ make: () throws(SupConError) -> Object
) -> supcon_status {
    out?.pointee = nil
    return status { () throws(SupConError) in
        let out = try needed(out, name)
        out.pointee = retained(try make())
    }
}
