/// A host as the inventory knows it: how to reach it, and by which key it is recognised.
public struct HostRecord: Hashable, Sendable {
    /// The name used in commands.
    public var name: HostName
    /// A DNS name or an IP address.
    public var address: String
    /// The SSH port, 1–65535.
    public var port: Int
    /// The user to log in as.
    public var user: String
    /// The private key file; `nil` uses the SSH agent.
    public var identity: String?
    /// The folder of this host's VMs and records.
    public var root: String
    /// The agent program on the host.
    public var agent: String
    /// The pinned host keys, each as `SHA256:` and 43 characters of base64.
    public var hostKeys: [String]
    /// The file on the host that peers' keys are written to; `nil` is `~/.ssh/authorized_keys`.
    public var authorizedKeys: String?
    /// How the user that logs in becomes root; `nil` where the agent runs as that user.
    public var become: Become?
    /// Networks for migration traffic, best first.
    public var migrationNetworks: [MigrationNetwork]

    /// A program that makes a user root.
    public enum Become: String, Hashable, Sendable, CaseIterable {
        /// sudo(8), without asking for a password.
        case sudo
    }

    /// States a host.
    public init(
        name: HostName, address: String, port: Int = 22, user: String = "root",
        identity: String? = nil, root: String = "/var/lib/livemig",
        agent: String = "/usr/bin/livemig-agent", hostKeys: [String],
        authorizedKeys: String? = nil, become: Become? = nil,
        migrationNetworks: [MigrationNetwork] = []
    ) {
        self.name = name
        self.address = address
        self.port = port
        self.user = user
        self.identity = identity
        self.root = root
        self.agent = agent
        self.hostKeys = hostKeys
        self.authorizedKeys = authorizedKeys
        self.become = become
        self.migrationNetworks = migrationNetworks
    }
}
