import Glibc
public import LinuxSystem
public import MigrationModel

/// Where to connect, as whom, and by which host key the right host is recognised.
public struct SSHEndpoint: Hashable, Sendable {
    /// The host's name, for messages.
    public var name: String
    /// A DNS name or an IP address; IPv6 without brackets, with a scope if it needs one.
    public var address: String
    /// The SSH port, 1–65535.
    public var port: Int
    /// The user to log in as.
    public var user: String
    /// The one key to log in with; `nil` tries what the SSH agent holds, then `identities`.
    ///
    /// A private key file, or a public key file whose private key the SSH agent holds.
    public var identity: String?
    /// More key files, tried in order; a missing one is passed over.
    public var identities: [String] = []
    /// User certificates for keys of `identity`, `identities` or the agent; the `-cert.pub` file
    /// beside an identity is found without being named here.
    public var certificates: [String] = []
    /// Whether keys of the agent that are not among `identities` stay untried.
    public var identitiesOnly = false
    /// The socket of the SSH agent, or `none`; `nil` is `$SSH_AUTH_SOCK`.
    public var agentSocket: String?
    /// Whether a passphrase may be asked for on the terminal of this process.
    public var asksPassphrase = false
    /// The accepted host keys, each as `SHA256:` and 43 characters of base64.
    public var hostKeys: [String]
    /// Host keys that are refused even where they are accepted as well.
    public var revokedHostKeys: [String] = []
    /// The local address to connect from, to choose a network; `nil` leaves it to the routes.
    public var bindAddress: String?
    /// `AF_INET` or `AF_INET6` to use only that family; `nil` for both.
    public var family: CInt?
    /// How long resolving the name and connecting may take.
    public var connectTimeout: Duration
    /// How long the key exchange and the login may take together, once connected.
    public var loginTimeout: Duration
    /// How long the host may take to start a command after the login.
    public var answerTimeout: Duration
    /// How long the peer may take nothing before a write fails, and be silent before a read does.
    public var stallTimeout: Duration
    /// Connections on the same path, whose silence counts together with this one's.
    public var silence: SharedSilence?
    /// What to do where the host accepts no key; `nil` says to add the public key there.
    public var refusalFix: String?
    /// Whether the inventory lists the host, so that its key can be pinned there.
    public var isListed = true
    /// The hosts to go through, the first one reached directly.
    public var jumps: [SSHEndpoint] = []

    /// States an endpoint.
    public init(
        name: String, address: String, port: Int = 22, user: String, identity: String? = nil,
        hostKeys: [String], bindAddress: String? = nil,
        connectTimeout: Duration = HostTimeouts.defaults.connect,
        loginTimeout: Duration = HostTimeouts.defaults.login,
        answerTimeout: Duration = HostTimeouts.defaults.answer,
        stallTimeout: Duration = .seconds(10)
    ) {
        self.name = name
        self.address = address
        self.port = port
        self.user = user
        self.identity = identity
        self.hostKeys = hostKeys
        self.bindAddress = bindAddress
        self.connectTimeout = connectTimeout
        self.loginTimeout = loginTimeout
        self.answerTimeout = answerTimeout
        self.stallTimeout = stallTimeout
    }

    /// The name with address and port, such as `alpha (10.0.0.11:22)`.
    public var place: String { "\(name) (\(socketAddress))" }

    /// The address with port, IPv6 in brackets.
    var socketAddress: String {
        address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}
