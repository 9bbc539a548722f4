import MigrationModel
import Orchestrator

/// Hosts as text.
enum HostText {
    static func list(_ hosts: [HostRecord]) -> [String] {
        guard !hosts.isEmpty else { return [] }
        let rows = hosts.map { [$0.name.text, address($0), user($0), $0.root] }
        return TextTable.lines([["NAME", "ADDRESS", "USER", "ROOT"]] + rows)
    }

    static func show(_ host: HostRecord) -> [String] {
        var rows = [
            ["name", host.name.text], ["address", address(host)], ["user", user(host)],
            ["identity", host.identity ?? "from the SSH agent or ~/.ssh"], ["root", host.root],
            ["agent", host.agent],
            ["authorized keys", host.authorizedKeys ?? "~/.ssh/authorized_keys"],
        ]
        if let jump = jump(host) { rows.append(["through", jump]) }
        if let jump = peerJump(host) { rows.append(["peers through", jump]) }
        let timeouts = host.timeouts
        rows.append([
            "time-outs",
            "connect \(timeouts.connect.brief), login \(timeouts.login.brief), answer "
                + timeouts.answer.brief,
        ])
        rows += host.hostKeys.map { ["host key", $0] }
        rows += host.migrationNetworks.map {
            ["migration network", "\($0.subnet), priority \($0.priority)"]
        }
        return TextTable.lines(rows)
    }

    /// The hosts on the way to one, in order.
    static func jump(_ host: HostRecord) -> String? {
        way(through: host.access.jumps) ?? host.jump
    }

    /// The hosts that other hosts go through to one, in order.
    static func peerJump(_ host: HostRecord) -> String? {
        way(through: host.access.peerJumps) ?? host.peerJump
    }

    private static func way(through hosts: [HostRecord]) -> String? {
        guard !hosts.isEmpty else { return nil }
        return hosts.map { "\($0.user)@\(address($0))" }.joined(separator: ",")
    }

    static func check(_ answers: [HostAnswer<HostFacts>]) -> [String] {
        TextTable.lines(answers.flatMap(rows))
    }

    private static func rows(_ answer: HostAnswer<HostFacts>) -> [[String]] {
        let name = "\(answer.host.name):"
        guard let facts = answer.value else {
            return [[name, answer.error?.code.wordsOfHost ?? "not reachable"]]
        }
        let virtualization = facts.hasKVM ? "with KVM" : "without KVM"
        return [
            [name, "agent", "livemig-agent \(facts.agentVersion)"],
            [
                name, "kernel",
                "\(facts.kernel) \(facts.architecture), \(facts.processors) processors",
            ],
            [
                name, "memory",
                "\(facts.memoryAvailable) free of \(facts.memoryTotal)"
                    + facts.hugePages.clause(of: facts.memoryTotal),
            ],
            [name, "hypervisor", "\(facts.hypervisor), \(virtualization)"],
            [
                name, "moves away",
                facts.canTrack ? "live, by \(facts.tracking)" : "no: \(facts.tracking)",
            ],
        ]
    }

    private static func user(_ host: HostRecord) -> String {
        host.become.map { "\(host.user), \($0.rawValue)" } ?? host.user
    }

    private static func address(_ host: HostRecord) -> String {
        host.address.contains(":")
            ? "[\(host.address)]:\(host.port)" : "\(host.address):\(host.port)"
    }
}
