import ArgumentParser
import Inventory
import MigrationModel
import Orchestrator

/// `livemig host pin`.
struct HostPinCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "pin", abstract: "Pin the keys of a host anew.",
        usage: "livemig host pin <name> [--host-key <SHA256:…> ...] [<options>]",
        discussion: """
            Follows a host whose key has changed; all its other settings stay. Without
            --host-key the keys pinned and those that the host shows are printed, and the
            latter are pinned after a question.

            Example:
              livemig host pin alpha
            """)

    @Argument(help: ArgumentHelp("The host.", valueName: "name"))
    var name: String

    @Option(
        name: .customLong("host-key"),
        help: ArgumentHelp(
            "A fingerprint of the host's keys; may be repeated.", valueName: "SHA256:…"))
    var hostKeys: [String] = []

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let name = try HostName(name)
        for key in hostKeys { try HostRecordRules.checkFingerprint(key) }
        let hosts = try context.listedHosts()
        guard let host = hosts.first(where: { $0.name == name }) else {
            throw HostDirectory.noHost(name, known: hosts.map(\.name))
        }
        let keys =
            try await hostKeys.isEmpty
            ? HostKeyQuestion(host, hosts, context, command: "livemig host pin \(name)").answer()
            : hostKeys
        let pinned = try await pin(keys, for: host, in: context)
        context.show(
            text: Self.lines(from: host, to: pinned, context.inventory.path),
            json: HostDocument(pinned))
        return .success
    }

    /// Writes the keys, unless somebody else has changed them meanwhile.
    private func pin(
        _ keys: [String], for host: HostRecord, in context: CommandContext
    ) async throws(LivemigError) -> HostRecord {
        let file = context.inventory
        return try await context.change(file) { (hosts) throws(LivemigError) in
            guard let index = hosts.firstIndex(where: { $0.name == host.name }) else {
                throw HostDirectory.noHost(host.name, known: hosts.map(\.name))
            }
            guard hosts[index].hostKeys == host.hostKeys else {
                throw LivemigError(
                    .busy, "somebody else has changed the keys of \(host.name)", at: file.path,
                    fix: "look at them with livemig host show \(host.name)")
            }
            hosts[index].hostKeys = keys
            return hosts[index]
        }
    }

    private static func lines(
        from old: HostRecord, to new: HostRecord, _ path: String
    ) -> [String] {
        if old.hostKeys == new.hostKeys {
            return ["\(new.name): nothing to do, its keys are pinned"]
        }
        let gone = old.hostKeys.filter { !new.hostKeys.contains($0) }
        return gone.map { "\(new.name): was     \($0)" }
            + new.hostKeys.map { "\(new.name): pinned  \($0)" } + ["changed \(path)"]
    }
}
