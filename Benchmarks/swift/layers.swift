import SupCon

/// Profiles a training step layer by layer: prints a line for each, with the time of its parts and,
/// for the convolutions, the fraction of the CPU's limit that they reach.
func profileLayers(_ arguments: Arguments) throws {
    let step = try Step(arguments)
    let (runs, precision) = (arguments.number("runs", 7), try arguments.precision().rawValue)
    let limit = operationsPerSecond(precision, threads: arguments.threads)
    let whole = try times(runs: runs, warmUp: 2) { try step.run() }
    var accounted = 0.0
    for layer in step.plan.profile(runs: runs) {
        let convolutions = layer.parts.filter { $0.multiplications > 0 }
        let operations = convolutions.reduce(0) { $0 + 2 * Double($1.multiplications) }
        let (total, computing) = (
            layer.parts.reduce(0) { $0 + $1.seconds }, convolutions.reduce(0) { $0 + $1.seconds }
        )
        accounted += total
        emit(
            [
                ("layer", .text(layer.name)), ("shape", .text(layer.shape)),
                ("total_s", .number(total)),
            ]
                + layer.parts.map { ("\($0.name)_s", .number($0.seconds)) }
                + (operations > 0 && limit > 0
                    ? [
                        ("gflops", .number((operations / computing / 1e7).rounded() / 100)),
                        (
                            "share_of_limit",
                            .number((operations / computing / limit * 1000).rounded() / 1000)
                        ),
                    ] : []))
    }
    for (name, body) in [
        ("loss and gradient", step.lossAndGradient), ("optimizer", { step.optimize() }),
    ] {
        let median = try times(runs: runs, warmUp: 1, body)[runs / 2]
        accounted += median
        emit([("layer", .text(name)), ("total_s", .number(median))])
    }
    emit([
        ("layer", .text("whole step")), ("total_s", .number(whole[runs / 2])),
        ("sum_of_parts_s", .number(accounted)),
        ("limit_gflops", .number((limit / 1e7).rounded() / 100)),
    ])
}
