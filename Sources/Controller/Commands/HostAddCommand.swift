import ArgumentParser
import Glibc
import Inventory
import MigrationModel

/// `livemig host add`.
struct HostAddCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a host to the inventory.",
        usage:
            "livemig host add <name> --address <address> --host-key <SHA256:…> ...\n    [<options>]",
        discussion: """
            The host key's fingerprint is printed on the host by
              ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub

            Example:
              livemig host add alpha --address 10.0.0.11 --identity ~/.ssh/livemig \\
                --host-key SHA256:…
            """)

    @Argument(help: ArgumentHelp("The name used in commands.", valueName: "name"))
    var name: String

    @Option(help: ArgumentHelp("A DNS name or an IP address.", valueName: "address"))
    var address: String

    @Option(help: ArgumentHelp("The SSH port. (default: 22)", valueName: "port"))
    var port: String?

    @Option(help: ArgumentHelp("The user to log in as. (default: root)", valueName: "user"))
    var user: String?

    @Option(help: ArgumentHelp("The private key. Else the SSH agent's.", valueName: "file"))
    var identity: String?

    @Option(
        help: ArgumentHelp(
            "Where the host keeps its VMs. (default: /var/lib/livemig)", valueName: "dir"))
    var root: String?

    @Option(
        help: ArgumentHelp("The agent there. (default: /usr/bin/livemig-agent)", valueName: "path"))
    var agent: String?

    @Option(
        name: .customLong("authorized-keys"),
        help: ArgumentHelp(
            "The file that peers' keys are written to. (default: ~/.ssh/authorized_keys)",
            valueName: "file"))
    var authorizedKeys: String?

    @Option(
        help: ArgumentHelp(
            "How that user becomes root: sudo. (default: it is root, or need not be)",
            valueName: "sudo"))
    var become: String?

    @Option(
        name: .customLong("host-key"),
        help: ArgumentHelp(
            "A fingerprint of the host's keys; may be repeated.", valueName: "SHA256:…"))
    var hostKeys: [String]

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let host = try record()
        let file = context.inventory
        try await context.change(file) { (hosts) throws(LivemigError) in
            guard !hosts.contains(where: { $0.name == host.name }) else {
                throw LivemigError(
                    .exists, "host \(host.name) is there already", at: file.path,
                    fix: "livemig host remove \(host.name) takes it out")
            }
            hosts.append(host)
        }
        context.show(
            text: ["added \(host.name) to \(file.path)"], json: HostDocument(host))
        return .success
    }

    func record() throws(LivemigError) -> HostRecord {
        guard !hostKeys.isEmpty else {
            throw LivemigError(.usage, "a host key is needed", fix: "pass --host-key SHA256:…")
        }
        var host = HostRecord(name: try HostName(name), address: address, hostKeys: hostKeys)
        if let port { host.port = try HostRecordRules.port(port) }
        host.user = user ?? host.user
        host.identity = identity.map(Self.absolute)
        host.root = root ?? host.root
        host.agent = agent ?? host.agent
        host.authorizedKeys = authorizedKeys
        if let become { host.become = try HostRecordRules.become(become) }
        try HostRecordRules.check(host)
        return host
    }

    /// The shell's current folder is not that of later commands.
    private static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), !path.hasPrefix("~/"), !path.isEmpty,
            let folder = unsafe getcwd(nil, 0)
        else { return path }
        defer { unsafe free(folder) }
        return unsafe String(cString: folder) + "/" + path
    }
}
