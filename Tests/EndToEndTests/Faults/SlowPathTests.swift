import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Moves over a path that is slow, and not dead.
@Suite(.serialized) struct SlowPathTests {
    // Breaks when a guest is stopped for its device state although the path is too slow for that, when
    // the size that was seen in its last move is not reckoned with, or when a slow path ends a move for
    // which it is fast enough. Needs root.
    @Test(.timeLimit(.minutes(2))) func deviceStateIsReckonedWithBeforeTheStop() throws {
        let network = try HostNetwork(["alpha", "beta"])
        let pair = try network.hosts()
        let hosts = try TwoHosts(alpha: pair[0], beta: pair[1])
        let someone = try Operator(in: network.switching)
        for host in pair { try someone.add(host, .init(address: host.ssh.address)) }
        try hosts.start("fill=256KiB state=1MiB")
        try someone.succeed("move", "guest", "--to", "beta")

        // 512 KiB a second: what a state of common size takes would fit.
        try network.namespaces["beta"]?.throttle("uplink", to: "4mbit")
        let back = ["move", "guest", "--to", "alpha", "--output", "json", "--max-downtime"]
        let refused = try someone.begin(back + ["1s"]).finish()
        refused.expect(.converge, "the device state alone would stop the guest for", "2.")
        #expect(!refused.output.contains(#""phase":"switchover""#), "\(refused)")
        #expect(try hosts.summary(on: hosts.beta).state == .running)
        let made = try someone.begin(back + ["3s"]).finish()
        #expect(made.status == 0, "\(made)")
        #expect(try hosts.summary(on: hosts.alpha).state == .running)
    }
}
