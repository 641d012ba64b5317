/// An epoch sum accumulates the outcomes of an epoch's steps.
struct EpochSum {
    private(set) var anchorsWithoutPositive = 0
    private var loss = 0.0
    private var steps = 0
    private var classified = 0
    private var correct = 0

    mutating func add(_ outcome: StepOutcome) {
        loss += outcome.loss
        steps += 1
        anchorsWithoutPositive += outcome.anchorsWithoutPositive
        classified += outcome.classified
        correct += outcome.correct
    }

    var meanLoss: Double { loss / Double(max(steps, 1)) }
    var accuracy: Double { classified > 0 ? Double(correct) / Double(classified) : .nan }
}
