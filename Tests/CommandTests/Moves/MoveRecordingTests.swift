import Handoff
import History
import MigrationModel
import Testing
import WireProtocol

@testable import Commands
@testable import Orchestrator

@Suite("Recording a move")
struct MoveRecordingTests {
    // Breaks when a round, a phase or a measurement of a move is not recorded.
    @Test("everything that is told of a move is kept")
    func moveMade() throws {
        let record = try HistorySamples.moved()
        #expect(record.vm == "web1")
        #expect(record.uuid == machine().uuid)
        #expect(record.source == "alpha")
        #expect(record.destination == "beta")
        #expect(record.id.description == "00000000000000010000000000000002")
        #expect(record.rounds == [HistorySamples.round(0), HistorySamples.round(1)])
        #expect(record.phases.map(\.name) == ["connecting", "pre-copy", "switchover"])
        #expect(record.phases.last?.after == .milliseconds(800))
        let ending = try #require(record.ending)
        #expect(ending.outcome == .moved)
        #expect(ending.exitCode == 0)
        #expect(ending.total == .milliseconds(3600))
        #expect(ending.measured == .init(report()))
        #expect(ending.guest?.epoch == Epoch(7))
        #expect(ending.error == nil)
        #expect(record.policy.onTimeout == "abort")
        #expect(record.policy.path == "direct")
        #expect(record.policy.compression == "auto")
    }

    // Breaks when a killed controller's entry has no migration, or the disk is made to work while
    // the guest stands still.
    @Test("only the attempt is written while a move is under way")
    func writes() throws {
        var recording = try HistorySamples.recording(from: "alpha")
        #expect(recording.record.state == .running(HistorySamples.controller))
        #expect(recording.record.source == "alpha")
        let attempt = Attempt(migration: .random(), epoch: Epoch(7))
        #expect(recording.record.migration == nil)
        let isWritten = recording.note(.prepared(attempt), at: .zero)
        #expect(isWritten)
        #expect(recording.record.id == attempt.migration)
        let others =
            MovePhase.allCases.map(MigrationEvent.phase) + [
                .round(HistorySamples.round(0))
            ]
        for event in others {
            let isWritten = recording.note(event, at: .zero)
            #expect(!isWritten)
        }
    }

    // Breaks when a way to fail has no entry, or the word of a side is lost.
    @Test(
        "each way to fail is kept",
        arguments: [
            (.memory, .refused), (.converge, .failed), (.cancelled, .cancelled),
            (.cleanup, .committed), (.inTransfer, .inTransfer), (.authentication, .refused),
        ] as [(ErrorCode, MoveRecord.Outcome)])
    func failures(code: ErrorCode, word: MoveRecord.Outcome) throws {
        var recording = try HistorySamples.recording()
        let sides = ControllerMove.SideErrors(
            source: LivemigError(.stall, "silent"), destination: LivemigError(.qemu, "ended"))
        recording.end(try HistorySamples.outcome(.failed(LivemigError(code, "no")), sides: sides))
        let ending = try #require(recording.record.ending)
        #expect(ending.outcome == word)
        #expect(ending.exitCode == code.exitCode.rawValue)
        #expect(ending.error?.code == code.rawValue)
        #expect(ending.sourceError?.code == "E-STALL")
        #expect(ending.destinationError?.what == "ended")
        #expect(ending.measured == nil)
    }

    // Breaks when a source that never ends its rounds makes a record without end.
    @Test("rounds without end are not kept")
    func limit() throws {
        var recording = try HistorySamples.recording()
        for number in 0...MoveRecord.roundLimit {
            _ = recording.note(.round(HistorySamples.round(number)), at: .zero)
        }
        #expect(recording.record.rounds.count == MoveRecord.roundLimit)
    }
}
