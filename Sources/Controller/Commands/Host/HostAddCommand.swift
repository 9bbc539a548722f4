import ArgumentParser
import Glibc
import Inventory
import MigrationModel

/// `livemig host add`.
struct HostAddCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a host to the inventory.",
        usage:
            "livemig host add <name> [--address <address>] [--host-key <SHA256:…> ...]\n    [<options>]",
        discussion: """
            What is not given here is taken from ~/.ssh/config when the host is reached. Without
            --host-key the host's keys are shown, and pinned after a question; keys that
            known_hosts has for it are pinned without one. On the host, this prints them:
              for f in /etc/ssh/ssh_host_*.pub; do ssh-keygen -lf $f; done

            Example:
              livemig host add alpha --address 10.0.0.11 --identity ~/.ssh/livemig \\
                --host-key SHA256:…
            """)

    @Argument(help: ArgumentHelp("The name used in commands.", valueName: "name"))
    var name: String

    @Option(
        help: ArgumentHelp(
            "A DNS name, an IP address or a Host of ~/.ssh/config. Else the name.",
            valueName: "address"))
    var address: String?

    @Option(help: ArgumentHelp("The SSH port. (default: 22)", valueName: "port"))
    var port: String?

    @Option(help: ArgumentHelp("The user to log in as. (default: root)", valueName: "user"))
    var user: String?

    @Option(
        help: ArgumentHelp("The private key, or a public one of the SSH agent.", valueName: "file"))
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
    var hostKeys: [String] = []

    @Option(
        help: ArgumentHelp(
            "Hosts to go through: [user@]address[:port] by commas, names of hosts, or none.",
            valueName: "hosts"))
    var jump: String?

    @Option(
        name: .customLong("peer-jump"),
        help: ArgumentHelp(
            "Hosts that other hosts go through to this one, written as for --jump.",
            valueName: "hosts"))
    var peerJump: String?

    @Option(
        name: .customLong("connect-timeout"),
        help: ArgumentHelp("The longest wait for a connection. (default: 10s)", valueName: "time"))
    var connectTimeout: String?

    @Option(
        name: .customLong("login-timeout"),
        help: ArgumentHelp("The longest wait for a login. (default: 30s)", valueName: "time"))
    var loginTimeout: String?

    @Option(
        name: .customLong("answer-timeout"),
        help: ArgumentHelp(
            "The longest wait for the agent's greeting. (default: 30s)", valueName: "time"))
    var answerTimeout: String?

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        var host = try record()
        let file = context.inventory
        let others = try context.listedHosts()
        if others.contains(where: { $0.name == host.name }) { throw Self.exists(host, file) }
        if host.hostKeys.isEmpty {
            host.hostKeys = try await HostKeyQuestion(host, others, context).answer()
        }
        let added = host
        try await context.change(file) { (hosts) throws(LivemigError) in
            guard !hosts.contains(where: { $0.name == added.name }) else {
                throw Self.exists(added, file)
            }
            hosts.append(added)
        }
        context.show(
            text: ["added \(host.name) to \(file.path)"], json: HostDocument(host))
        return .success
    }

    private static func exists(_ host: HostRecord, _ file: InventoryFile) -> LivemigError {
        LivemigError(
            .exists, "host \(host.name) is there already", at: file.path,
            fix: "livemig host remove \(host.name) takes it out; livemig host pin changes its keys")
    }

    func record() throws(LivemigError) -> HostRecord {
        var host = HostRecord(
            name: try HostName(name), address: try HostRecordRules.address(address ?? name),
            hostKeys: hostKeys)
        if let port { host.port = try HostRecordRules.port(port) }
        host.statedUser = user
        host.jump = jump
        host.peerJump = peerJump
        if let connectTimeout {
            host.connectTimeout = try HostRecordRules.timeout(connectTimeout)
        }
        if let loginTimeout { host.loginTimeout = try HostRecordRules.timeout(loginTimeout) }
        if let answerTimeout { host.answerTimeout = try HostRecordRules.timeout(answerTimeout) }
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
