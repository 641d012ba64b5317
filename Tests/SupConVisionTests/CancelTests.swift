import Foundation
import Synchronization
import SupConTensor
import TestSupport
import Testing

@testable import SupConVision

/// Tests that reading files ends soon after a cancel, and not only before or after it.
@Suite struct CancelTests {
    /// Runs `body` while another thread cancels `context`, a moment after `body` has begun, until
    /// the cancel comes in the middle of it: on a busy machine that thread may be late. Returns
    /// whether it was stopped.
    private static func isStopped(
        _ context: ExecutionContext, _ body: () throws(SupConError) -> Void
    ) throws -> Bool {
        for _ in 0..<30 {
            let (hasBegun, hasEnded) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            let other = Thread {
                hasBegun.wait()
                usleep(3000)
                context.cancel()
                hasEnded.signal()
            }
            other.start()
            defer { hasEnded.wait() }
            hasBegun.signal()
            do throws(SupConError) { try body() } catch {
                #expect(error.kind == .canceled, "\(error)")
                return true
            }
        }
        return false
    }

    /// A black gray PNG whose data are almost as short as deflate can make them: after one zero,
    /// matches of 258 bytes at distance 1, in fixed codes (RFC 1951, section 3.2.6).
    private static func blackPNG(side: Int) -> [UInt8] {
        typealias File = DamagedFileTests
        let total = side * (side + 1)  // with a filter byte for each row
        var (packed, held, bits): ([UInt8], UInt64, UInt64) = ([0x78, 0x01], 0, 0)
        func put(_ value: UInt64, _ count: UInt64) {
            held |= value << bits
            bits += count
            while bits >= 8 {
                packed.append(UInt8(truncatingIfNeeded: held))
                (held, bits) = (held >> 8, bits - 8)
            }
        }
        // Codes come with their first bit lowest: a zero is 00110000, the length 258 11000101.
        put(0b011, 3)
        for _ in 0..<(total % 258 == 0 ? 258 : total % 258) { put(0b0000_1100, 8) }
        for _ in 0..<((total - 1) / 258) { put(0b00000_1010_0011, 13) }
        put(0, 7 + (8 - (bits + 7) % 8) % 8)
        let sum = (UInt32(total % 65521) << 16) | 1
        packed += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: sum >> $0) }
        return File.signature
            + File.header(width: UInt32(side), height: UInt32(side), color: 0, rest: [0, 0, 0])
            + File.chunk("IDAT", packed) + File.chunk("IEND", [])
    }

    @Test func decodingALargePNGStops() throws {
        let folder = try TemporaryFolder()
        let dataset = try Dataset.files([try folder.write("x.png", Self.blackPNG(side: 10_000))])
        let context = try ExecutionContext(threads: 1)
        let stopped = try Self.isStopped(context) { () throws(SupConError) in
            let reader = ImageReader(dataset, DecodeGate(context))
            _ = try reader.open(0)
            _ = try reader.pixels(atLeast: 1)
        }
        #expect(stopped)
        // Whoever comes later is not concerned.
        let reader = ImageReader(dataset, DecodeGate(context))
        _ = try reader.open(0)
        let view = try reader.pixels(atLeast: 1)
        #expect(view.height == 10_000)
        #expect(view.data.load(fromByteOffset: 99_999_999, as: UInt8.self) == 0)
    }

    /// Nothing but names: 30,000 of them take a tenth of a second.
    @Test func readingAFolderStops() throws {
        let folder = try TemporaryFolder()
        try folder.copy("gray8.png", to: "a/0.png")
        try folder.copy("gray8.png", to: "b/0.png")
        for i in 0..<30_000 {
            symlink("/dev/null", folder.path("\(i % 2 == 0 ? "a" : "b")/\(i).txt"))
        }
        let watched = try ExecutionContext()
        let stopped = try Self.isStopped(watched) { () throws(SupConError) in
            let watch = watched.watch()
            var walk = FolderWalk(root: RawPath(folder.path), watch: watch)
            for name in ["a", "b"] {
                walk.collect(
                    files: try FolderWalk.entries(RawPath(folder.path(name)), watch))
            }
        }
        #expect(stopped)
        let whole = try Dataset.folder(folder.path)
        #expect(whole.count == 2 && whole.skipped.isEmpty)
    }

    @Test func aCopyOfManyImagesStops() throws {
        let black = [UInt8](repeating: 0, count: 64)
        let context = try ExecutionContext(threads: 1)
        try black.withUnsafeBytes { bytes in
            let batch = ImageBatch(
                data: try #require(bytes.baseAddress), element: .u8, count: 2_000_000, height: 8,
                width: 8, channels: 1, imageStride: 0, rowStride: 8, columnStride: 1,
                channelStride: 1)
            let dataset = try Dataset.images(batch, options: DatasetOptions(copies: false))
            let all = Array(0..<dataset.count)
            let stopped = try Self.isStopped(context) { () throws(SupConError) in
                _ = try dataset.materialize(all, context: context)
            }
            #expect(stopped)
        }
    }
}
