import Glibc
public import MigrationModel

/// Who stands at the gate, as the line of its key and sshd say.
public struct LanePeer: Hashable, Sendable {
    /// What the key's line calls its owner: a host has another name in another inventory.
    public let names: [String]
    /// The fingerprint of the key; `nil` for a line that does not say it.
    public let key: String?
    /// The address that the connection comes from; `nil` where it is not known.
    public let address: String?

    /// States a peer.
    public init(names: [String], key: String?, address: String? = nil) {
        self.names = names
        self.key = key
        self.address = address
    }

    /// The name, for messages.
    var name: String { names.first ?? "" }

    /// Whether it is the host that a move comes from.
    ///
    /// - Parameters:
    ///   - source: the source's name.
    ///   - keys: the source's own keys; its name counts where they are not known.
    func isSource(_ source: String, _ keys: [String]) -> Bool {
        guard let key, !keys.isEmpty else { return names.contains(source) }
        return keys.contains(key)
    }

    /// Insists that the host's policy lets it come by one of its names.
    /// - Throws: `E-DISABLED`, `E-PEER`.
    func require(by policy: HostPolicy, at place: String) throws(LivemigError) {
        var refusal: LivemigError?
        for name in names {
            do throws(LivemigError) {
                return try policy.admit(peer: name, at: place)
            } catch {
                refusal = refusal ?? error
            }
        }
        throw refusal ?? LivemigError(.peer, "a peer without a name", at: place)
    }

    // MARK: On the way to the worker

    /// One line: the key or `-`, and the names.
    var line: [UInt8] { Array(([key ?? "-"] + names).joined(separator: " ").utf8) + [0x0A] }

    /// Reads `line`; `nil` for an empty one, which stands for the controller.
    init?(line: some Collection<UInt8>) {
        let words = String(decoding: line, as: UTF8.self).split(separator: " ").map(String.init)
        guard words.count > 1 else { return nil }
        self.init(names: Array(words.dropFirst()), key: words[0] == "-" ? nil : words[0])
    }
}

/// What sshd says about a connection in its variables (ssh(1), "ENVIRONMENT").
public struct LaneArrival: Hashable, Sendable {
    /// What the peer asked for; `nil` for a shell, or where sshd is not involved.
    public var request: String?
    /// The address that the connection comes from.
    public var client: IPAddress?
    /// The address of this host at which it was taken.
    public var server: IPAddress?

    /// States what is known.
    public init(request: String?, client: IPAddress?, server: IPAddress?) {
        self.request = request
        self.client = client
        self.server = server
    }

    /// Reads the variables, before the environment is left behind.
    public static var ofThisProcess: LaneArrival {
        let words = unsafe (getenv("SSH_CONNECTION").map { unsafe String(cString: $0) } ?? "")
            .split(separator: " ").map(String.init)
        return LaneArrival(
            request: unsafe getenv("SSH_ORIGINAL_COMMAND").map { unsafe String(cString: $0) },
            client: words.count == 4 ? IPAddress(words[0]) : nil,
            server: words.count == 4 ? IPAddress(words[2]) : nil)
    }
}
