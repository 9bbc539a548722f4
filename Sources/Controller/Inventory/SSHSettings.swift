/// What ssh_config(5) says about one host, first value found.
public struct SSHSettings: Hashable, Sendable {
    /// `HostName`.
    public var hostName: String?
    /// `Port`.
    public var port: Int?
    /// `User`.
    public var user: String?
    /// `IdentityFile`, all of them; `none` is kept.
    public var identityFiles: [String] = []
    /// `CertificateFile`, all of them.
    public var certificateFiles: [String] = []
    /// `IdentitiesOnly`.
    public var identitiesOnly: Bool?
    /// `IdentityAgent`.
    public var identityAgent: String?
    /// `ProxyJump`, `none` included.
    public var proxyJump: String?
    /// `UserKnownHostsFile`.
    public var userKnownHosts: [String]?
    /// `GlobalKnownHostsFile`.
    public var globalKnownHosts: [String]?
    /// `HostKeyAlias`.
    public var hostKeyAlias: String?
    /// `ConnectTimeout`.
    public var connectTimeout: Duration?
    /// `BindAddress`.
    public var bindAddress: String?
    /// 4 or 6 by `AddressFamily`.
    public var ipVersion: Int?
    /// What decides whether the host can be reached and is not supported: keyword and place.
    public var unsupported: String?
    var proxyIsDecided = false
    var familyIsDecided = false
    var isCanonicalized: Bool?
    var tag: String?

    /// Nothing said.
    public init() {}
}
