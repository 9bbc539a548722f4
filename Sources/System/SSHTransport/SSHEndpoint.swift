public import LinuxSystem
public import MigrationModel

/// Where to connect, as whom, and by which host key the right host is recognised.
public struct SSHEndpoint: Hashable, Sendable {
    /// The host's name, for messages.
    public var name: String
    /// A DNS name or an IP address.
    public var address: String
    /// The SSH port, 1–65535.
    public var port: Int
    /// The user to log in as.
    public var user: String
    /// The private key file; `nil` uses the SSH agent.
    public var identity: String?
    /// The socket of the SSH agent; `nil` is `$SSH_AUTH_SOCK`.
    public var agentSocket: String?
    /// The accepted host keys, each as `SHA256:` and 43 characters of base64.
    public var hostKeys: [String]
    /// The local address to connect from, to choose a network; `nil` leaves it to the routes.
    public var bindAddress: String?
    /// How long connecting, the key exchange and logging in may take together.
    public var connectTimeout: Duration
    /// How long the peer may take nothing before a write fails, and be silent before a read does.
    public var stallTimeout: Duration
    /// Connections on the same path, whose silence counts together with this one's.
    public var silence: SharedSilence?

    /// States an endpoint.
    public init(
        name: String, address: String, port: Int = 22, user: String, identity: String? = nil,
        hostKeys: [String], bindAddress: String? = nil, connectTimeout: Duration = .seconds(10),
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
        self.stallTimeout = stallTimeout
    }

    /// The endpoint of a host of the inventory.
    public init(_ host: HostRecord) {
        self.init(
            name: host.name.text, address: host.address, port: host.port, user: host.user,
            identity: host.identity, hostKeys: host.hostKeys)
    }

    /// The name with address and port, such as `alpha (10.0.0.11:22)`.
    public var place: String { "\(name) (\(socketAddress))" }

    /// The address with port, IPv6 in brackets.
    var socketAddress: String {
        address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}
