import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Page data on a network of its own, between hosts with two.
@Suite(.serialized) struct MigrationNetworkTests {
    private static let lanes = 2

    // Breaks when page data takes another network than the one that is preferred, leaves those that
    // a host is bound to, or does not go at all where none is preferred. Needs root.
    @Test(.timeLimit(.minutes(2))) func pageDataTakesTheNetworkThatIsListed() throws {
        let links = try MigrationLinks()
        let hosts = try TwoHosts(
            alpha: host("alpha", links.alpha, 1), beta: host("beta", links.beta, 2))
        let someone = try Operator(in: links.alpha)
        for host in [hosts.alpha, hosts.beta] {
            try someone.add(host, Operator.Entry(address: host.ssh.address))
        }
        try hosts.start("fill=16MiB rate=1MiB/s content=random")

        let settings = try someone.succeed(
            "host", "settings", "beta", "--network", MigrationLinks.fastSubnet)
        #expect(
            settings.output.contains(
                "\(MigrationLinks.slowAddress(2)) \(MigrationLinks.fastAddress(2))"))
        let before = try links.fastBytesReceived()
        try move(someone, to: "beta")
        #expect(hosts.beta.connections(at: MigrationLinks.fastAddress(2)) == Self.lanes + 1)
        #expect(try links.fastBytesReceived() - before > 16 << 20)

        // Where neither lists a network, the inventory's address serves.
        let others = hosts.alpha.connections(at: MigrationLinks.slowAddress(1))
        try someone.succeed(
            "host", "settings", "beta", "--remove-network", MigrationLinks.fastSubnet)
        try move(someone, to: "alpha")
        #expect(hosts.alpha.connections(at: MigrationLinks.fastAddress(1)) == 0)
        #expect(
            hosts.alpha.connections(at: MigrationLinks.slowAddress(1)) >= others + Self.lanes + 1)
        #expect(try hosts.alpha.differingPages() == "0")
    }

    // Breaks when page data leaves the networks that a host is bound to, or only the command keeps
    // it on them.
    @Test(.timeLimit(.minutes(2))) func hostsKeepToTheirNetworks() throws {
        let links = try MigrationLinks()
        let hosts = try TwoHosts(
            alpha: host("alpha", links.alpha, 1), beta: host("beta", links.beta, 2))
        let someone = try Operator(in: links.alpha)
        for host in [hosts.alpha, hosts.beta] {
            try someone.add(host, Operator.Entry(address: host.ssh.address))
        }
        try hosts.start("fill=16MiB rate=1MiB/s")
        for host in ["beta", "alpha"] {
            try someone.succeed(
                "host", "settings", host, "--network", "10.99.0.0/16", "--only-networks")
            let refused = try someone.run("move", "guest", "--to", "beta")
            refused.expect(.network, "no common migration network", "alpha and beta")
            refused.expectRunning(on: "alpha")
            let relayed = try someone.run("move", "guest", "--to", "beta", "--path", "relay")
            relayed.expect(.network, host)
            let error = #expect(throws: LivemigError.self) {
                try hosts.begin(from: hosts.alpha, to: hosts.beta).finish()
            }
            #expect(error?.code == .network, "\(error as Any)")
            try hosts.expectUntouched()
            try someone.succeed(
                "host", "settings", host, "--remove-network", "10.99.0.0/16", "--network",
                MigrationLinks.fastSubnet)
        }
        try move(someone, to: "beta")
        #expect(hosts.beta.connections(at: MigrationLinks.fastAddress(2)) == Self.lanes + 1)
        #expect(try hosts.beta.differingPages() == "0")
    }

    private func host(
        _ name: String, _ network: NetworkNamespace, _ number: Int
    ) throws -> TestHost {
        try TestHost(
            name, in: network, address: MigrationLinks.slowAddress(number),
            sshOptions: ["ListenAddress 0.0.0.0"])
    }

    private func move(_ someone: Operator, to host: String) throws {
        try someone.succeed(
            "move", "guest", "--to", host, "--lanes", String(Self.lanes), "--compression", "none")
    }
}
