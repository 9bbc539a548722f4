import TestSupport
import Testing

/// Connections that break between the destination's RDY and the source's GONE, where a hand-over
/// is left that the hosts must be asked about.
@Suite(.serialized) struct BrokenLineTests {
    #if CrashPoints
    // Breaks when a connection that is lost in the hand-over ends with other than one running
    // guest whose memory is whole once `livemig recover` has been there, leaves an agent or a copy
    // behind, keeps the command waiting, makes it say what is not true, or stands in the way of
    // the next move.
    @Test(.timeLimit(.minutes(60))) func everyBreakEndsWell() throws {
        // A number without a common factor with the table picks other connections at each half-step.
        let cases = Benches.sample(of: BrokenLineCase.all, 31, unless: "LIVEMIG_BROKEN_LINES")
        let failures = try Benches.run(cases, { try BrokenLineBench() }) { try $0.run($1) }
        for failure in failures { Issue.record("\(failure)") }
    }
    #endif
}
