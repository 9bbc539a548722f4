import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Guests whose bridge has another name on the destination, between real bridges.
///
/// Needs root.
@Suite(.serialized) struct MappedNetworkTests {
    private let network: GuestNetwork
    private let hosts: TwoHosts
    private let someone: Operator
    private static let other = "other"

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
        try network.beta.ip(["link", "set", GuestNetwork.bridge, "name", Self.other])
    }

    private func bridge(in vm: String) throws -> String? {
        let definition = try someone.succeed("vm", "show", vm, "--definition").output
        return [GuestNetwork.bridge, Self.other].first {
            definition.contains("bridge=\"\($0)\"")
        }
    }

    /// The bridge that a host's tap device is a port of.
    private func tapsBridge(in namespace: NetworkNamespace) throws -> String? {
        let ports = try namespace.bridge(["link", "show"]).split(separator: "\n")
        let words = ports.first { $0.contains(" lm") }.map { $0.split(separator: " ") } ?? []
        guard let index = words.firstIndex(of: "master"), index + 1 < words.count else {
            return nil
        }
        return String(words[index + 1])
    }

    // Breaks when the guest's interface is not on the bridge that was asked for, the definition
    // there says something else, or the way back is closed.
    @Test(.timeLimit(.minutes(2))) func thereAndBack() throws {
        try someone.run("move", "guest", "--to", "beta")
            .expect(.network, GuestNetwork.bridge, "beta")
        let map = "\(GuestNetwork.bridge)=\(Self.other)"
        try someone.succeed("check", "guest", "--to", "beta", "--map-network", map)
        let plan = try someone.succeed(
            "move", "guest", "--to", "beta", "--map-network", map, "--dry-run")
        #expect(plan.output.contains("bridges guests → other"), "\(plan)")
        try someone.succeed("move", "guest", "--to", "beta", "--map-network", map)
        #expect(try tapsBridge(in: network.beta) == Self.other)
        #expect(try bridge(in: "beta/guest") == Self.other)
        #expect(hosts.alpha.leftovers == [])

        let back = "\(Self.other)=\(GuestNetwork.bridge)"
        try someone.succeed("move", "guest", "--to", "alpha", "--map-network", back)
        #expect(try tapsBridge(in: network.alpha) == GuestNetwork.bridge)
        #expect(try bridge(in: "alpha/guest") == GuestNetwork.bridge)
    }

    // Breaks when a bridge that the guest does not have passes for a wish that is met, or something
    // begins before that is found.
    @Test(.timeLimit(.minutes(2))) func mistakes() throws {
        let map = "nope=\(Self.other)"
        let move = try someone.run(
            "move", "guest", "--to", "beta", "--map-network", map, "--map-network",
            "\(GuestNetwork.bridge)=\(Self.other)")
        move.expect(.network, "nope", "--map-network")
        #expect(move.status == 3)
        move.expectRunning(on: "alpha")
        #expect(hosts.beta.leftovers == [])
        let check = try someone.run("check", "guest", "--to", "beta", "--map-network", map)
        #expect(check.status == 3)
        #expect(check.output.contains("no interface on bridge nope"))
        try someone.run(
            "move", "guest", "--to", "beta", "--map-network", "\(GuestNetwork.bridge)=gone"
        ).expect(.network, "gone", "beta")
        for wrong in ["br0", "br0=", "=br1", "a=b=c", "a b=c"] {
            try someone.run("move", "guest", "--to", "beta", "--map-network", wrong)
                .expect(.usage, "--map-network")
        }
    }

    // Breaks when a drain leaves guests behind that have another bridge or none, or forgets those
    // that have it.
    @Test(.timeLimit(.minutes(2))) func drain() throws {
        let plain = try someone.definition("plain")
        try someone.succeed("vm", "define", plain, "--on", "alpha")
        try someone.succeed("vm", "start", "plain")
        try someone.succeed(
            "drain", "alpha", "--yes", "--map-network", "\(GuestNetwork.bridge)=\(Self.other)")
        #expect(try bridge(in: "beta/guest") == Self.other)
        #expect(try someone.succeed("vm", "show", "beta/plain").output.contains("running"))
        try someone.succeed(
            "resume", "alpha", "--failback", "now", "--yes", "--map-network",
            "\(Self.other)=\(GuestNetwork.bridge)")
        #expect(try bridge(in: "alpha/guest") == GuestNetwork.bridge)
    }
}
