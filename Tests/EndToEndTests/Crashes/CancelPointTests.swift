#if CrashPoints
import CrashPoints
import Glibc
import MigrationModel
import TestSupport
import Testing

/// Somebody else cancels a move while its source is at a certain half-step.
@Suite(.serialized) struct CancelPointTests {
    private static let before: [CrashPoint] = [
        .sourceBegun, .sourceLanesOpen, .sourceConverged, .sourceStopped, .sourceStateSaved,
        .sourceFinalSent, .sourceReadyHeard,
    ]

    // Breaks when a cancellation before the commit costs the guest, or is told as something else,
    // whichever request to the guardian it breaks.
    @Test(.timeLimit(.minutes(2))) func cancelledBeforeTheCommit() throws {
        let shuttle = try Shuttle()
        for point in Self.before {
            let (move, cancel) = try cancel(shuttle, at: point)
            #expect(cancel.status == 0, "\(point): \(cancel)")
            #expect(move.status == ExitCode.cancelled.rawValue, "\(point): \(move)")
            move.expect(.cancelled)
            #expect(try shuttle.check(after: move) == [], "\(point)")
        }
        #expect(try shuttle.checkNextMove() == [])
    }

    private func cancel(
        _ shuttle: Shuttle, at point: CrashPoint
    ) throws -> (move: CommandResult, cancel: CommandResult) {
        let flag = CrashFlag(folder: shuttle.source.root)
        try flag.raise(point)
        let move = try shuttle.begin()
        let waiting = try #require(flag.wait(move), "\(point) was not reached")
        let cancel = try shuttle.someone.run("cancel", "guest")
        kill(waiting, SIGCONT)
        return (try move.finish(), cancel)
    }
}
#endif
