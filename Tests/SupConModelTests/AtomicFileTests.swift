import Foundation
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConModel

@Suite struct AtomicFileTests {
    func write(
        _ path: String, _ texts: [String],
        by put: (Int32, UnsafeRawPointer, Int) -> Int = { Glibc.write($0, $1, $2) }
    ) throws {
        let buffers = texts.map { text in
            let buffer = UnsafeMutableRawBufferPointer.allocate(
                byteCount: text.utf8.count, alignment: 1)
            buffer.copyBytes(from: text.utf8)
            return buffer
        }
        defer { for buffer in buffers { buffer.deallocate() } }
        try AtomicFile.write(RawPath(path), buffers.map { UnsafeRawBufferPointer($0) }, by: put)
    }
    func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }

    @Test func writesAllPartsAndNothingElse() throws {
        let folder = try Folder()
        try write(folder.file("a"), ["one", "", " two"])
        #expect(text(folder.file("a")) == "one two")
        try write(folder.file("a"), ["new"])
        #expect(text(folder.file("a")) == "new")
        #expect(folder.contents == ["a"])
        let mask = umask(0)
        umask(mask)
        let mode = try #require(
            FileManager.default.attributesOfItem(atPath: folder.file("a"))[.posixPermissions]
                as? Int)
        #expect(mode == 0o666 & ~Int(mask))
    }

    @Test func goesOnAfterShortAndInterruptedWrites() throws {
        let folder = try Folder()
        var calls = 0
        try write(folder.file("a"), ["0123456789", "abc"]) { descriptor, from, count in
            calls += 1
            if calls % 2 == 0 {
                errno = EINTR
                return -1
            }
            return Glibc.write(descriptor, from, min(count, 3))
        }
        #expect(text(folder.file("a")) == "0123456789abc")
    }

    @Test(arguments: [ENOSPC, EIO]) func leavesTheOldFileWhenWritingFails(_ code: Int32) throws {
        let folder = try Folder()
        try write(folder.file("a"), ["old"])
        var calls = 0
        expectError(.io, folder.file("a"), "write", String(cString: strerror(code))) {
            try write(folder.file("a"), ["begun", "never"]) { descriptor, from, count in
                calls += 1
                if calls > 1 {
                    errno = code
                    return -1
                }
                return Glibc.write(descriptor, from, count)
            }
        }
        #expect(text(folder.file("a")) == "old")
        #expect(folder.contents == ["a"])
    }

    @Test func saysWhereItCannotWrite() throws {
        let folder = try Folder()
        expectError(.io, "missing/a", "No such file or directory") {
            try write(folder.file("missing/a"), ["x"])
        }
        expectError(.io, "it is a folder") { try write(folder.path, ["x"]) }
        expectError(.io, "No such file", "new/") { try write(folder.path + "/new/", ["x"]) }
        expectError(.io, "device") { try write("/dev/null", ["x"]) }
        #expect(
            (try? FileManager.default.attributesOfItem(atPath: "/dev/null")[.type]
                as? FileAttributeType) == .typeCharacterSpecial)
        expectError(.argument, "empty") { try write("", ["x"]) }
        expectError(.argument, "NUL") { try write(folder.file("a\0b"), ["x"]) }
        #expect(folder.contents == [])
    }

    @Test func followsLinks() throws {
        let folder = try Folder()
        try write(folder.file("real"), ["old"])
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("link"), withDestinationPath: folder.file("real"))
        try write(folder.file("link"), ["new"])
        #expect(text(folder.file("real")) == "new")
        #expect(
            try FileManager.default.destinationOfSymbolicLink(atPath: folder.file("link"))
                == folder.file("real"))
    }

    @Test func writesFromManyThreadsAtOnce() throws {
        let folder = try Folder()
        let whole = (0..<8).map { String(repeating: "\($0)", count: 10_000) }
        let path = folder.file("a")
        DispatchQueue.concurrentPerform(iterations: 64) { i in try? write(path, [whole[i % 8]]) }
        #expect(whole.contains(text(folder.file("a")) ?? ""))
        #expect(folder.contents == ["a"])
    }
}
