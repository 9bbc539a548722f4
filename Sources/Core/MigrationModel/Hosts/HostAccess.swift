/// How long the steps of reaching a host may take.
public struct HostTimeouts: Hashable, Sendable {
    /// Resolving the name and connecting.
    public var connect: Duration
    /// The key exchange and the login together.
    public var login: Duration
    /// Starting a command, and the greeting of livemig-agent.
    public var answer: Duration

    /// What holds where nothing is stated.
    ///
    /// A network answers within seconds or not at all; a host under load logs in slowly.
    public static let defaults = HostTimeouts(
        connect: .seconds(10), login: .seconds(30), answer: .seconds(30))
    /// The time-outs that can be stated.
    public static let range = Duration.seconds(1)...Duration.seconds(600)

    /// States time-outs.
    public init(connect: Duration, login: Duration, answer: Duration) {
        self.connect = connect
        self.login = login
        self.answer = answer
    }
}

/// What ssh_config(5) and known_hosts say about reaching a host, where the inventory is silent.
public struct HostAccess: Hashable, Sendable {
    /// Key files, in order; paths of this machine, absolute.
    public var identities: [String] = []
    /// Certificate files for them.
    public var certificates: [String] = []
    /// Whether other keys of the SSH agent stay untried.
    public var identitiesOnly = false
    /// The SSH agent's socket, or `none`; `nil` is `$SSH_AUTH_SOCK`.
    public var agentSocket: String?
    /// The hosts to go through, the first one reached directly.
    public var jumps: [HostRecord] = []
    /// The hosts that other hosts go through, the first one reached directly.
    public var peerJumps: [HostRecord] = []
    /// Why other hosts cannot be told the way.
    public var peerObstacle: LivemigError?
    /// The host keys that known_hosts marks as revoked.
    public var revokedKeys: [String] = []
    /// Whether the host is of the inventory, and not only on the way to one.
    public var isListed = true
    /// The local address to connect from.
    public var bindAddress: String?
    /// 4 or 6 where only that version of IP is used.
    public var ipVersion: Int?
    /// Why the host cannot be reached as its configuration says.
    public var obstacle: LivemigError?

    /// The most hosts in a row to go through.
    public static let jumpLimit = 8

    /// Nothing but defaults.
    public init() {}
}
