import Foundation
import SupConTensor
import SupConVision
import Testing

@testable import SupConModel

@Suite(.serialized) struct TemporaryFileTests {
    static let left = ".supcon-0123456789abcdef0123456789abcdef.tmp"

    func write(_ folder: Folder, _ name: String = "a") throws {
        TemporaryFile.forgetSweeps()
        try AtomicFile.write(RawPath(folder.file(name)), [])
    }

    @Test func whatADeadWriterLeftIsSwept() throws {
        let folder = try Folder()
        _ = try folder.write(Data("half".utf8), Self.left)
        try write(folder)
        #expect(folder.contents == ["a"])
    }

    /// Checks that a file locked by another process is not swept.
    @Test func whatALiveWriterHasStays() throws {
        let folder = try Folder()
        let path = try folder.write(Data("half".utf8), Self.left)
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        #expect(flock(descriptor, LOCK_EX) == 0)
        try write(folder)
        #expect(folder.contents == [Self.left, "a"])
        #expect(flock(descriptor, LOCK_UN) == 0)
        try write(folder)
        #expect(folder.contents == ["a"])
    }

    @Test(arguments: [
        ".supcon-1234-5.tmp", ".supcon-0123456789abcdef0123456789abcdeG.tmp", "x.tmp",
        "0123456789abcdef0123456789abcdef.tmp",
    ]) func otherFilesStay(_ name: String) throws {
        let folder = try Folder()
        _ = try folder.write(Data(), name)
        try write(folder)
        #expect(folder.contents == [name, "a"].sorted())
    }

    /// Checks that concurrent sweeps and writers do not disturb each other.
    @Test func sweepsDoNotDisturbWriters() throws {
        let folder = try Folder()
        let failures = (0..<8).map { _ in UnsafeMutablePointer<Int>.allocate(capacity: 1) }
        defer { for failure in failures { failure.deallocate() } }
        nonisolated(unsafe) let counts = failures
        let path = folder.path
        DispatchQueue.concurrentPerform(iterations: 8) { worker in
            counts[worker].initialize(to: 0)
            for i in 0..<40 {
                TemporaryFile.forgetSweeps()
                do { try AtomicFile.write(RawPath("\(path)/\(worker)-\(i % 3)"), []) } catch {
                    counts[worker].pointee += 1
                }
            }
        }
        #expect(failures.map(\.pointee).allSatisfy { $0 == 0 })
        #expect(folder.contents.count == 24)
    }

    @Test func pathsAreBytes() throws {
        let folder = try Folder()
        let name: [UInt8] = [0x61, 0xFF, 0xFE, 0x62]
        let path = RawPath(bytes: Array(folder.path.utf8)).appending(name)
        let bytes: [UInt8] = Array("content".utf8)
        try bytes.withUnsafeBytes { try AtomicFile.write(path, [$0]) }
        #expect(try path.withCString { access($0, F_OK) } == 0)
        #expect(try FileReader(path).byteCount == 7)
    }
}
