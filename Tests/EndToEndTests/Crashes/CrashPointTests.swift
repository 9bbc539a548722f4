import MigrationModel
import TestSupport
import Testing

/// Every point of a move, with everybody who takes part killed or stopped there.
@Suite(.serialized) struct CrashPointTests {
    #if CrashPoints
    // Breaks when a crash at any half-step, of anyone, ends with other than one running guest
    // whose memory is whole, leaves something behind, makes a command say what is not true, or
    // stands in the way of the next move.
    @Test(.timeLimit(.minutes(30))) func everyCrashEndsWell() throws {
        let cases = Benches.sample(of: CrashCase.all, 24, unless: "LIVEMIG_CRASHES")
        let failures = try Benches.run(cases, { try CrashBench(.synthetic) }) { try $0.run($1) }
        for failure in failures { Issue.record("\(failure)") }
    }

    // Breaks when what holds for the reference guest does not for QEMU and a Linux in it.
    @Test(.timeLimit(.minutes(30))) func crashesOfRealGuestsEndWell() throws {
        let cases = Benches.sample(of: CrashCase.all, 12, unless: "LIVEMIG_QEMU_CRASHES")
        let failures = try Benches.run(cases, on: 2, { try CrashBench(.linux) }) {
            try $0.run($1)
        }
        for failure in failures { Issue.record("\(failure)") }
    }
    #else
    // Breaks when the tests are built without what they are to test.
    @Test func crashPointsAreCompiledIn() {
        Issue.record("build the tests with --traits CrashPoints, as Scripts/test does")
    }
    #endif
}
