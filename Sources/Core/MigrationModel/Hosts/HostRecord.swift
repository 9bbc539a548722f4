/// A host as the inventory knows it: how to reach it, and by which key it is recognised.
public struct HostRecord: Hashable, Sendable {
    /// The name used in commands.
    public var name: HostName
    /// A DNS name or an IP address.
    public var address: String
    /// The SSH port where it is stated, 1–65535.
    public var statedPort: Int?
    /// The user to log in as where it is stated.
    public var statedUser: String?
    /// The private key file, or a public key file whose private key the SSH agent holds; `nil` uses
    /// the SSH agent, and the default identities after it.
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
    /// The longest connecting may take, where it is stated.
    public var connectTimeout: Duration?
    /// The longest key exchange and login may take, where it is stated.
    public var loginTimeout: Duration?
    /// The longest wait for a command to start and greet, where it is stated.
    public var answerTimeout: Duration?
    /// The hosts to go through, `[user@]address[:port]` by commas, or `none`; as ProxyJump.
    public var jump: String?
    /// The hosts that other hosts go through to this one, as `jump`; `nil` for none.
    public var peerJump: String?
    /// What is known of the way to the host beside the inventory.
    public var access = HostAccess()

    /// The port where none is stated.
    public static let defaultPort = 22
    /// The user where none is stated.
    public static let defaultUser = "root"

    /// The SSH port, 1–65535.
    public var port: Int {
        get { statedPort ?? Self.defaultPort }
        set { statedPort = newValue }
    }

    /// The user to log in as.
    public var user: String {
        get { statedUser ?? Self.defaultUser }
        set { statedUser = newValue }
    }

    /// How long the steps of reaching the host may take.
    public var timeouts: HostTimeouts {
        let defaults = HostTimeouts.defaults
        return HostTimeouts(
            connect: connectTimeout ?? defaults.connect, login: loginTimeout ?? defaults.login,
            answer: answerTimeout ?? defaults.answer)
    }

    /// A program that makes a user root.
    public enum Become: String, Hashable, Sendable, CaseIterable {
        /// sudo(8), without asking for a password.
        case sudo
    }

    /// States a host.
    public init(
        name: HostName, address: String, port: Int? = nil, user: String? = nil,
        identity: String? = nil, root: String = "/var/lib/livemig",
        agent: String = "/usr/bin/livemig-agent", hostKeys: [String],
        authorizedKeys: String? = nil, become: Become? = nil,
        migrationNetworks: [MigrationNetwork] = []
    ) {
        self.name = name
        self.address = address
        statedPort = port
        statedUser = user
        self.identity = identity
        self.root = root
        self.agent = agent
        self.hostKeys = hostKeys
        self.authorizedKeys = authorizedKeys
        self.become = become
        self.migrationNetworks = migrationNetworks
    }
}
