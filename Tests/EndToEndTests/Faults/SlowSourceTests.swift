#if CrashPoints
import CrashPoints
import Glibc
import MigrationModel
import TestSupport
import Testing

/// Moves whose source is slower to begin than the controller is to bring what it needs.
@Suite(.serialized) struct SlowSourceTests {
    // Breaks when the controller brings lanes that nobody waits for yet.
    @Test(.timeLimit(.minutes(1))) func relayedLanesComeWhenTheyAreWaitedFor() throws {
        let shuttle = try Shuttle()
        let flag = CrashFlag(folder: shuttle.source.root)
        try flag.raise(.sourceBegun)
        let move = try shuttle.begin(["--path", "relay", "--lanes", "2"])
        let waiting = try #require(flag.wait(move))
        // Longer than an SSH connection takes.
        sleep(2)
        kill(waiting, SIGCONT)
        let result = try move.finish()
        #expect(result.status == 0, "\(result)")
        #expect(try shuttle.check(after: result) == [])
    }
}
#endif
