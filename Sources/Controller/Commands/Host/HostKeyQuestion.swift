import Glibc
import Inventory
import LinuxSystem
import MigrationModel
import Orchestrator

/// Which keys to pin for a host: those that known_hosts has, or those that the host shows and
/// somebody confirms.
struct HostKeyQuestion {
    private let host: HostRecord
    private let others: [HostRecord]
    private let context: CommandContext
    private let command: String

    /// - Parameters:
    ///   - host: the host as the inventory has it or will have it.
    ///   - others: the hosts of the inventory, some of which may be on the way.
    ///   - command: what to type with `--host-key` where nobody can be asked.
    init(
        _ host: HostRecord, _ others: [HostRecord], _ context: CommandContext,
        command: String = "the same command"
    ) {
        self.host = host
        self.others = others
        self.context = context
        self.command = command
    }

    /// Finds the keys and asks.
    /// - Throws: `E-HOSTKEY-UNKNOWN` where nobody can be asked, `E-HOSTKEY-CHANGED` when the host
    ///   shows a key that is revoked or none of those in known_hosts, `E-CANCELLED` for any answer
    ///   but yes, and why the host cannot be reached.
    func answer() async throws(LivemigError) -> [String] {
        var asked = host
        asked.hostKeys = []
        let resolved = try context.resolver(others).resolve(asked)
        let offered = try await offered(by: resolved)
        let shown = offered.map(\.fingerprint)
        if !resolved.hostKeys.isEmpty, host.hostKeys.isEmpty {
            guard shown.contains(where: resolved.hostKeys.contains) else {
                throw LivemigError(
                    .hostKeyChanged,
                    "possible attack: \(host.name) shows \(words(offered)), known_hosts has "
                        + resolved.hostKeys.joined(separator: ", "),
                    at: resolved.address, fix: "find out why; ssh-keygen -R takes old keys out")
            }
            context.console.message("\(host.name): its key is in known_hosts")
            return shown.filter(resolved.hostKeys.contains)
        }
        if Set(shown) == Set(host.hostKeys) { return host.hostKeys }
        try await confirm(offered, resolved)
        return shown
    }

    private func offered(
        by resolved: HostRecord
    ) async throws(LivemigError) -> [(kind: String, fingerprint: String)] {
        let keys = try await context.dialer.hostKeys(of: resolved)
        if let revoked = keys.first(where: { resolved.access.revokedKeys.contains($0.fingerprint) })
        {
            throw LivemigError(
                .hostKeyChanged,
                "possible attack: the host key \(revoked.kind) \(revoked.fingerprint) is revoked in "
                    + "known_hosts", at: host.name.text, fix: "find out why the key was revoked")
        }
        return keys
    }

    private func words(_ keys: [(kind: String, fingerprint: String)]) -> String {
        keys.map { "\($0.kind) \($0.fingerprint)" }.joined(separator: ", ")
    }

    private func confirm(
        _ offered: [(kind: String, fingerprint: String)], _ resolved: HostRecord
    ) async throws(LivemigError) {
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else {
            let options = offered.map { "--host-key \($0.fingerprint)" }.joined(separator: " ")
            throw LivemigError(
                .hostKeyUnknown,
                "the keys that \(host.name) shows are not confirmed: \(words(offered)), and nobody "
                    + "can be asked: standard input is not a terminal",
                at: resolved.address,
                fix:
                    "compare them with ssh-keygen -lf on the host itself, then run \(command) with "
                    + options)
        }
        for key in host.hostKeys { context.console.message("\(host.name): pinned  \(key)") }
        for key in offered {
            context.console.message("\(host.name): shows   \(key.fingerprint)  \(key.kind)")
        }
        context.console.message(
            "Compare with the output of ssh-keygen -lf /etc/ssh/ssh_host_…_key.pub on the host.")
        try await Confirmation.ask(
            host.hostKeys.isEmpty
                ? "Trust these keys for \(host.name)?"
                : "Trust the keys shown in place of those pinned for \(host.name)?",
            isGiven: false, context)
    }
}
