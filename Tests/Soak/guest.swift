// A Swift program with a runtime, a dispatch pool and a Foundation of its own, which loads the
// library: guest LIBRARY. Both work at the same time.
import Dispatch
import Foundation

typealias Create =
    @convention(c) (OpaquePointer?, OpaquePointer?, UnsafeMutablePointer<OpaquePointer?>) -> Int32
typealias Dimension = @convention(c) (OpaquePointer?, Int32) -> Int64
typealias Save = @convention(c) (OpaquePointer?, UnsafePointer<CChar>) -> Int32
typealias Free = @convention(c) (OpaquePointer?) -> Void

func fail(_ message: String) -> Never {
    FileHandle.standardError.write(Data((message + "\n").utf8))
    exit(1)
}

guard CommandLine.arguments.count == 3, let library = dlopen(CommandLine.arguments[1], RTLD_NOW)
else { fail("no library") }
func function<T>(_ name: String, _ type: T.Type) -> T {
    guard let found = dlsym(library, name) else { fail("no \(name)") }
    return unsafeBitCast(found, to: type)
}
let create = function("supcon_model_create", Create.self)
let dimension = function("supcon_model_output_dimension", Dimension.self)
let save = function("supcon_model_save", Save.self)
let free = function("supcon_model_free", Free.self)

/// A class of the same name as one of the library's.
final class Model { let values = (0..<1000).map { "\($0)" } }

/// Returns the bytes of a model of the library's defaults.
@Sendable func model(_ number: Int) -> Data {
    var made: OpaquePointer?
    let path = "\(CommandLine.arguments[2])/\(number).safetensors"
    guard create(nil, nil, &made) == 0, dimension(made, 0) > 0, save(made, path) == 0,
        let bytes = FileManager.default.contents(atPath: path)
    else { fail("the library fails") }
    free(made)
    return bytes
}
let alone = model(0)
let lock = NSLock()
nonisolated(unsafe) var sums = 0
let total = await withTaskGroup(of: Int.self) { group in
    for _ in 0..<8 {
        group.addTask { Model().values.reduce(0) { $0 + (Int($1) ?? 0) } }
    }
    DispatchQueue.concurrentPerform(iterations: 4) { number in
        guard model(number + 1) == alone else { fail("another model") }
        lock.withLock { sums += 1 }
    }
    return await group.reduce(0, +)
}
guard total == 8 * 499_500, sums == 4 else { fail("\(total), \(sums)") }
print("4 models beside 8 tasks of another Swift program: the same bytes")
