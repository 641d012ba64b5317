import Foundation
import SupConTensor
import TestSupport
import Testing

/// Sums that begin and are waited for later.
@Suite struct RankSumsTests {
    /// Checks that `beginSum` returns while the host still waits if there is a thread for it, and
    /// that later operations wait for the sum.
    @Test func beginsWithoutWaiting() throws {
        let mayGoOn = DispatchSemaphore(value: 0)
        let sums = ThreadCollectives.run(world: 2, anyThread: true) { collectives -> [Float] in
            let ranks = try Ranks(collectives)
            if ranks.isFirst { collectives.before = { _ in mayGoOn.wait() } }
            var values: [Float] = [1, 2, 3].map { $0 + Float(ranks.rank) }
            try values.withUnsafeMutableBufferPointer { buffer in
                guard let start = buffer.baseAddress else { return }
                ranks.beginSum(start, count: 2)
                ranks.beginSum(start + 2, count: 1)
                // The host has not been let go on: nothing that waits for it would come here.
                if ranks.isFirst { for _ in 0..<3 { mayGoOn.signal() } }
                try ranks.finishSums()
            }
            return values
        }
        for sum in sums { #expect(try sum.get() == [3, 5, 7]) }
    }

    /// Checks that operations run in the order of the calls, on whatever thread.
    @Test(arguments: [false, true]) func keepsTheOrder(anyThread: Bool) throws {
        let outcomes = ThreadCollectives.run(world: 3, anyThread: anyThread) { collectives in
            let ranks = try Ranks(collectives)
            var values = [Float](repeating: 1, count: 4)
            let sums = try values.withUnsafeMutableBufferPointer { buffer in
                guard let start = buffer.baseAddress else { return [Double]() }
                for _ in 0..<20 {
                    for i in 0..<4 { ranks.beginSum(start + i, count: 1) }
                    try ranks.together {}
                    for i in 0..<4 { start[i] /= 3 }
                }
                return buffer.map { Double($0) }
            }
            return sums
        }
        for outcome in outcomes { #expect(try outcome.get() == [1, 1, 1, 1]) }
    }

    /// Checks that no operation follows a failed one, and that all waiting calls throw its error.
    @Test(arguments: [false, true]) func failsOnce(anyThread: Bool) throws {
        let failures = ThreadCollectives.run(world: 2, anyThread: anyThread) {
            collectives -> (String, Int) in
            let ranks = try Ranks(collectives)
            collectives.before = { (_) throws(SupConError) in throw SupConError(.io, "no cable") }
            let buffer = try AlignedBuffer(Float.self, count: 8)
            for i in 0..<8 { ranks.beginSum(buffer.floats + i, count: 1) }
            do throws(SupConError) { try ranks.finishSums() } catch {
                let message = error.message
                #expect(throws: SupConError.self) { try ranks.barrier() }
                return (message, collectives.operations)
            }
            return ("", 0)
        }
        for failure in failures { #expect(try failure.get() == ("no cable", 1)) }
    }

    /// Checks that ranks that are released while sums are running end their thread.
    @Test func goesAwayInOrder() throws {
        let outcomes = ThreadCollectives.run(world: 2, anyThread: true) { collectives in
            let buffer = try AlignedBuffer(Float.self, count: 8)
            buffer.floats.update(repeating: 1, count: 8)
            do {
                let ranks = try Ranks(collectives)
                for i in 0..<8 { ranks.beginSum(buffer.floats + i, count: 1) }
            }
            return (0..<8).map { buffer.floats[$0] }
        }
        for outcome in outcomes { #expect(try outcome.get().allSatisfy { $0 == 2 }) }
    }
}
