import MigrationModel
import TestSupport
import Testing

/// A destination that takes only so many connections.
@Suite(.serialized) struct LimitedHostTests {
    // Breaks when one lane that is refused ends the move, or nobody is told that lanes are missing.
    @Test(.timeLimit(.minutes(1))) func fewerLanes() throws {
        let hosts = try TwoHosts()
        let proxy = try FaultProxy(to: hosts.beta.ssh.port)
        let someone = try Operator()
        try someone.add(hosts.alpha)
        try someone.add(hosts.beta, Operator.Entry(port: proxy.port))
        try hosts.start("fill=16MiB rate=1MiB/s", memory: 32)
        let words = ["move", "guest", "--to", "beta", "--lanes", "4"]

        // The controller's connection and the link pass, and no lane.
        proxy.restart()
        proxy.plan(.init(.cut, on: 2..<(.max)))
        let none = try someone.begin(words).finish()
        none.expect(.connectDropped)
        #expect(try hosts.summary(on: hosts.alpha).state == .running)

        proxy.restart()
        proxy.plan(.init(.cut, on: 4..<(.max)))
        let run = try someone.begin(words).finish()
        #expect(run.status == 0, "\(run)")
        #expect(run.errors.contains("2 of 4 lanes are used"), "\(run)")
        #expect(run.errors.contains("MaxStartups"), "\(run)")
        #expect(try hosts.beta.differingPages() == "0")
    }
}
