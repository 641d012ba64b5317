import SupConLoss
import SupConTensor
import TestSupport
import Testing

/// Tests ranks that share the work of a loss, each of which computes some of the tiles.
@Suite struct SharedLossTests {
    /// Compares the shared loss with the formulas in double precision, and with the loss of one
    /// process.
    @Test(arguments: [1, 2, 3, 5], 0..<5) func isTheLossOfOneProcess(world: Int, kind: Int) throws {
        var it = Case(samples: 100, views: 2, dimension: 8)
        (it.options.form, it.options.denominator) = Case.kinds[kind]
        it.options.temperature = 0.2
        it.pairs = .labels(Case.labels(100, classes: 4))
        let shared = it
        let x = it.features()
        let one = try it.run(x)
        let exact = it.reference.loss(x.map(Double.init))
        let results = ThreadCollectives.run(world: world) { rank in
            try shared.loss(ranks: Ranks(rank)).run(x, shared.pairs)
        }
        let first = try results[0].get()
        for result in results {
            let outcome = try result.get()
            #expect(abs(outcome.result.loss - exact) < 3e-6 * abs(exact))
            #expect(outcome.result.anchors == 200)
            #expect(outcome.gradient == first.gradient)
            #expect(outcome.perAnchor == first.perAnchor)
            for (mine, single) in zip(outcome.gradient, one.gradient) {
                #expect(abs(mine - single) < 1e-7 + 1e-5 * abs(single))
            }
        }
    }

    /// Checks that each rank computes its own part of the tiles and no others.
    @Test func exchangesSumsAndGradients() throws {
        var it = Case(samples: 100, views: 2, dimension: 8)
        it.options.temperature = 0.2
        let shared = it
        let x = it.features()
        for result in ThreadCollectives.run(
            world: 2,
            { rank in
                _ = try shared.loss(ranks: Ranks(rank)).run(x, shared.pairs)
                return rank.operations
            })
        {
            #expect(try result.get() == 2)
        }
    }

    /// Checks that a rank that does not arrive is an error on those that wait for it.
    @Test func aRankThatLeavesIsAnError() throws {
        let shared = Case(samples: 40)
        let x = shared.features()
        let results = ThreadCollectives.run(world: 2) { rank in
            if rank.rank == 1 {
                rank.before = { (_: Int) throws(SupConError) in
                    throw SupConError(.io, "the network is gone")
                }
            }
            _ = try shared.loss(ranks: Ranks(rank)).run(x, shared.pairs)
        }
        for result in results {
            #expect(throws: SupConError.self) { try result.get() }
        }
    }
}
