import Handoff
import History
import MigrationModel
import Orchestrator
import Planner
import WireProtocol

/// What the history keeps of a move, from what happens in it.
struct MoveRecording {
    /// The record as it is now.
    private(set) var record: MoveRecord

    /// Begins with what is asked for.
    init(
        of request: MoveRequest, as command: MoveRecord.Command, at time: WallTime = .now,
        by controller: ControllerProcess = .current
    ) {
        record = MoveRecord(
            command: command, vm: request.vm.name.text,
            source: (request.vm.host ?? request.source)?.text,
            destination: request.destination.text, started: time,
            policy: MovePolicyRecord(request.policy), state: .running(controller))
    }

    /// Adds an event.
    ///
    /// - Parameters:
    ///   - event: what happened.
    ///   - time: since the move's start.
    /// - Returns: whether the record should be written at once. Never while the guest stands
    ///   still: on a machine that is host and controller, its disk is the records'.
    mutating func note(_ event: MigrationEvent, at time: Duration) -> Bool {
        switch event {
        case .planned(let plan):
            record.source = plan.source.text
            record.uuid = plan.machine.uuid
        case .predicted(let forecast): record.prediction = MovePrediction(forecast.prediction)
        case .prepared(let attempt):
            record.migration = attempt.migration
            return true
        case .phase(let phase): record.phases.append(.init(name: phase.name, after: time))
        case .round(let round):
            if record.rounds.count < MoveRecord.roundLimit { record.rounds.append(round) }
        case .measuring, .progress, .note, .warning: break
        }
        return false
    }

    /// Adds how the move ended.
    mutating func end(_ outcome: MoveOutcome) {
        guard let word = MoveRecord.Outcome(rawValue: ResultEvent.word(outcome)) else { return }
        record.migration = outcome.migration ?? record.migration
        record.source = outcome.source?.text ?? record.source
        var ending = MoveRecord.Ending(
            total: outcome.total, outcome: word, exitCode: outcome.exitCode.rawValue)
        ending.guest = outcome.guest
        if case .moved(let report, _) = outcome.ending { ending.measured = .init(report) }
        ending.error = outcome.error.map { .init($0) }
        ending.sourceError = outcome.sides.source.map { .init($0) }
        ending.destinationError = outcome.sides.destination.map { .init($0) }
        record.state = .ended(ending)
    }
}

extension MovePrediction {
    /// Keeps the ranges of a prediction.
    init(_ prediction: Prediction) {
        self.init(
            rounds: Span(prediction.rounds.lowerBound, prediction.rounds.upperBound),
            totalMs: Span(
                prediction.total.lowerBound.milliseconds, prediction.total.upperBound.milliseconds),
            blackoutMs: Span(
                prediction.blackout.lowerBound.milliseconds,
                prediction.blackout.upperBound.milliseconds))
    }
}
