import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Three hosts with sshd of their own, all of which trust each other for lanes.
final class ThreeHosts {
    let alpha: TestHost
    let beta: TestHost
    let gamma: TestHost
    let someone: Operator
    private let network: HostNetwork?
    static let names = ["alpha", "beta", "gamma"]

    /// Hosts beside the test.
    ///
    /// - Parameters:
    ///   - strangers: two hosts that do not trust each other.
    ///   - sshOptions: lines for the hosts' sshd_config.
    convenience init(strangers: [String] = [], sshOptions: [String] = []) throws {
        let hosts = try Self.names.map { try TestHost($0, sshOptions: sshOptions) }
        try self.init(hosts, someone: Operator(), strangers: strangers)
    }

    /// Hosts in networks of their own, which need root.
    convenience init(in network: HostNetwork) throws {
        try self.init(
            network.hosts(), someone: Operator(in: network.switching), network: network)
    }

    private init(
        _ hosts: [TestHost], someone: Operator, strangers: [String] = [],
        network: HostNetwork? = nil
    ) throws {
        (alpha, beta, gamma) = (hosts[0], hosts[1], hosts[2])
        self.someone = someone
        self.network = network
        for host in hosts {
            try someone.add(host, .init(address: host.ssh.address))
            for other in hosts where other !== host {
                let pair = [host.name.text, other.name.text]
                if Set(pair) != Set(strangers) { try host.trust(other) }
            }
        }
    }

    var all: [TestHost] { [alpha, beta, gamma] }

    /// Defines and starts reference guests on alpha.
    func start(_ names: [String], _ workload: String = "fill=8MiB", memory: Int = 64) throws {
        for name in names {
            let file = try someone.definition(name, workload, memory: memory)
            try someone.succeed("vm", "define", file, "--on", "alpha")
            try someone.succeed("vm", "start", name)
        }
    }

    /// The names of the VMs that run on a host, sorted.
    func running(on host: TestHost) throws -> [String] {
        let answer = try host.agent().request(ListMachines(), for: MachineListMessage.self)
        return answer.list.machines.filter { $0.state == .running }.map(\.name).sorted()
    }

    /// Insists that every guest runs once, and nothing is left of it elsewhere.
    func expectOnce(_ names: [String], _ location: SourceLocation = #_sourceLocation) throws {
        let found = try all.flatMap { try running(on: $0) }.sorted()
        #expect(found == names.sorted(), sourceLocation: location)
    }

    deinit {
        for host in all {
            guard let agent = try? host.agent(),
                let list = try? agent.request(
                    ListMachines(), for: MachineListMessage.self
                ).list
            else { continue }
            for name in list.machines.compactMap({ try? VMName($0.name) }) {
                _ = try? agent.request(StopMachine(name: name), for: MachineMessage.self)
            }
        }
    }
}
