import Glibc
import MigrationModel
import TestSupport
import Testing

/// Cancelling and recovering moves, as another operator at another machine does it.
@Suite(.serialized) struct RecoveryTests {
    private static let workload = "fill=24MiB ws=8MiB rate=20MiB/s writers=2 zero=8"

    // Breaks when a move cannot be given up by somebody else, its operator is not told, the guest
    // stops, or the next move is refused.
    @Test(.timeLimit(.minutes(1))) func cancelledByAnother() throws {
        let hosts = try TwoHosts()
        let (mover, other) = (try Operator(hosts), try Operator(hosts))
        try hosts.start(Self.workload)
        try other.run("cancel", "guest").expect(.notRunning, "no move of VM guest")
        let slow = try mover.beginSlowMove()
        let cancel = try other.succeed("cancel", "guest")
        #expect(cancel.lines.first == "cancelled the move of guest")
        cancel.expectRunning(on: "alpha")
        let result = try slow.finish()
        result.expect(.cancelled, "cancelled by somebody else")
        #expect(result.lines.last?.contains(#""host":"alpha","state":"running""#) ?? false)
        #expect(result.status == 8)
        try hosts.expectUntouched()
        try other.succeed("move", "guest", "--to", "beta")
        try other.run("cancel", "guest").expect(.notRunning)
        try other.run("cancel", "0123456789abcdef0123456789abcdef").expect(.notRunning)
    }

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
