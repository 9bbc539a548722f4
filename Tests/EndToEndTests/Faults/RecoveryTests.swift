import Glibc
import MigrationModel
import TestSupport
import Testing

/// Recovering moves, as another operator at another machine does it.
@Suite(.serialized) struct RecoveryTests {
    private static let workload = "fill=24MiB ws=8MiB rate=20MiB/s writers=2 zero=8"

    // Breaks when a recovery disturbs a VM that is in order or a move that goes on, or is not the
    // same when it is repeated.
    @Test(.timeLimit(.minutes(1))) func nothingToRecover() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        for _ in 1...2 {
            let recovery = try someone.succeed("recover", "guest")
            #expect(recovery.lines.first == "guest runs on alpha")
            recovery.expectRunning(on: "alpha")
        }
        let slow = try someone.beginSlowMove()
        try someone.run("recover", "guest").expect(.busy, "to beta, begun")
        #expect(try someone.run("recover").status == 11)
        slow.signal(SIGINT)
        try slow.finish().expect(.cancelled)
        try someone.succeed("recover")
        try someone.run("recover", "nobody").expect(.noVM)
        try someone.run("recover", "guest", "--fenced", "beta").expect(.usage, "nothing is to be")
        try someone.run("recover", "--fenced", "beta").expect(.usage, "needs a VM")
        try hosts.expectUntouched()
    }
}
