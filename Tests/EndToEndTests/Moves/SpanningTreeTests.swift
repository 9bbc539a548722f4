import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Moves to a host whose bridge keeps new ports waiting.
///
/// Needs root.
@Suite(.serialized) struct SpanningTreeTests {
    private let network: GuestNetwork
    private let hosts: TwoHosts
    private let someone: Operator

    init() throws {
        network = try GuestNetwork()
        hosts = try TwoHosts(
            alpha: TestHost("alpha", in: network.alpha, address: GuestNetwork.alphaAddress),
            beta: TestHost("beta", in: network.beta, address: GuestNetwork.betaAddress))
        someone = try Operator(in: network.alpha)
        for host in [hosts.alpha, hosts.beta] {
            try someone.add(host, Operator.Entry(address: host.ssh.address))
        }
        try hosts.start(document: IdleGuest.definition(GuestNetwork.element))
        // Ports that forward already go on; the least delay that the kernel takes is 2 s.
        try network.beta.ip([
            "link", "set", GuestNetwork.bridge, "type", "bridge", "stp_state", "1",
            "forward_delay", "200",
        ])
    }

    private func tapOnBeta() throws -> String {
        let deadline = MonotonicTime.now + .seconds(20)
        while deadline > .now {
            let ports = try network.beta.bridge(["link", "show"]).split(separator: "\n")
            let words = ports.first { $0.contains(" lm") }?.split(whereSeparator: {
                ": ".contains($0)
            })
            if let words, words.count > 1 { return String(words[1]) }
            usleep(20_000)
        }
        throw LivemigError(.timeout, "no tap device on beta")
    }

    // Breaks when a guest is switched over to a port that does not let it in, the wait is endless or
    // silent, or nobody says whether the network has found the guest.
    @Test(.timeLimit(.minutes(2))) func portsAreAwaited() throws {
        let check = try someone.succeed("check", "guest", "--to", "beta")
        #expect(check.output.contains("waits 4.0 s for the spanning tree"), "\(check)")

        // The port's time is not over when the move's is.
        let late = try someone.run("move", "guest", "--to", "beta", "--timeout", "2s")
        late.expect(.timeout, "bridge \(GuestNetwork.bridge)", "--timeout")
        late.expectRunning(on: "alpha")

        let unwanted = try someone.begin(["move", "guest", "--to", "beta"])
        try unwanted.waitForMessage("does not let the guest in yet")
        unwanted.signal(SIGINT)
        let cancelled = try unwanted.finish()
        cancelled.expect(.cancelled)
        cancelled.expectRunning(on: "alpha")

        // A port that is down has no timer that will ever let it forward.
        let move = try someone.begin(["move", "guest", "--to", "beta"])
        try network.beta.ip(["link", "set", tapOnBeta(), "down"])
        let refused = try move.finish()
        refused.expect(.network, "beta", "is disabled")
        refused.expectRunning(on: "alpha")
        #expect(hosts.beta.leftovers == [])

        let start = MonotonicTime.now
        let done = try someone.succeed("move", "guest", "--to", "beta")
        #expect(start.elapsed > .seconds(4), "\(done)")
        #expect(done.errors.contains("does not let the guest in yet"), "\(done)")
        let line = try #require(done.lines.first { $0.contains("network   bridge") }, "\(done)")
        let words = "bridge \(GuestNetwork.bridge) learnt \(GuestNetwork.guestMAC) after "
        let time = try #require(line.components(after: words), "\(done)")
        #expect(try Duration(parsing: time) < .seconds(1), "\(done)")
    }
}

extension String {
    /// What comes after some words, without spaces.
    fileprivate func components(after words: String) -> String? {
        guard let end = firstRange(of: words)?.upperBound else { return nil }
        return self[end...].filter { $0 != " " }
    }
}

extension CommandInProgress {
    /// Waits until it has written words to standard error.
    fileprivate func waitForMessage(_ words: String) throws {
        let deadline = MonotonicTime.now + .seconds(20)
        while !errors.contains(words) {
            guard deadline > .now, !hasEnded else {
                throw LivemigError(.timeout, "no \(words)", at: output + errors)
            }
            usleep(10_000)
        }
    }
}
