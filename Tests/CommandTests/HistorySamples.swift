import Handoff
import History
import MigrationModel
import WireProtocol

@testable import Commands
@testable import Orchestrator

/// Moves of web1 from alpha to beta, as they come to the history.
enum HistorySamples {
    static let start = WallTime(milliseconds: 1_769_860_800_123)
    static let controller = ControllerProcess(id: 17, startTicks: 4, boot: "b")

    static func recording(from source: String? = nil) throws -> MoveRecording {
        let request = MoveRequest(
            vm: VMReference(host: try source.map { try HostName($0) }, name: try VMName("web1")),
            to: try HostName("beta"))
        return MoveRecording(of: request, as: .move, at: start, by: controller)
    }

    static func outcome(
        _ ending: MoveOutcome.Ending, sides: ControllerMove.SideErrors = .init()
    ) throws -> MoveOutcome {
        MoveOutcome(
            vm: VMReference(name: try VMName("web1")),
            migration: MigrationID(Bits128(high: 1, low: 2)),
            source: try HostName("alpha"), destination: try HostName("beta"),
            total: .milliseconds(3600), ending: ending,
            guest: GuestLocation(vm: "web1", state: .running, host: "beta", epoch: Epoch(7)),
            sides: sides)
    }

    static func plan() throws -> MovePlan {
        try MovePlan(
            moving: VMName("web1"), from: side("alpha", [machine()]), to: side("beta"),
            policy: MigrationPolicy())
    }

    static func round(_ number: Int) -> RoundReport {
        RoundReport(
            number: number, dirtyPages: 512, pages: PageCounts(), wireBytes: 1 << 20,
            duration: .milliseconds(500), dirtiedPages: 256)
    }

    /// A move that was made, with two rounds.
    static func moved() throws -> MoveRecord {
        var recording = try recording()
        let attempt = Attempt(migration: MigrationID(Bits128(high: 1, low: 2)), epoch: Epoch(7))
        let events: [MigrationEvent] = [
            .planned(try plan()), .prepared(attempt), .phase(.connecting), .phase(.preCopy),
            .round(round(0)), .progress(RoundProgress(round: 1, done: 2, total: 3, wireBytes: 4)),
            .round(round(1)), .note("cancelling…"), .phase(.switchover),
        ]
        for (number, event) in events.enumerated() {
            _ = recording.note(event, at: .milliseconds(number * 100))
        }
        recording.end(try outcome(.moved(report(), incomplete: nil)))
        return recording.record
    }
}
