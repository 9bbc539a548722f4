import CLibSSH
import MigrationModel

/// Which ciphers a session offers.
public enum SSHCipherProfile: Hashable, Sendable {
    /// ChaCha20-Poly1305, else AES-CTR with a SHA-2 MAC, both ways.
    case control
    /// AES-GCM first for what goes to the server, never for what comes from it.
    ///
    /// AES-GCM is the fastest cipher here. CVE-2026-59847 is a flaw in how libssh checks the tag of
    /// AES-GCM packets it *receives*. What libssh sends is checked by the peer's OpenSSH, which is
    /// not concerned: so the cipher is offered in that direction only, and packets from the
    /// server are never decrypted with it, whatever version of libssh is installed.
    case bulkToServer

    var toServer: [String] {
        switch self {
        case .control: Self.safe
        case .bulkToServer:
            ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"] + Self.safe
        }
    }

    var fromServer: [String] { Self.safe }

    private static let safe = [
        "chacha20-poly1305@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr",
    ]
}

/// What a session agreed on, as named in RFC 4253 and its successors.
public struct SSHAlgorithms: Hashable, Sendable {
    /// The key exchange.
    public let keyExchange: String
    /// The cipher of what is sent.
    public let cipherToServer: String
    /// The cipher of what is received.
    public let cipherFromServer: String
    /// The kind of the server's host key.
    public let hostKey: String
}

/// The kinds of host keys that are accepted, best first.
enum HostKeyKind: CaseIterable {
    case ed25519, ecdsa256, ecdsa384, ecdsa521, rsa

    /// The kind by the name that libssh gives a key.
    init?(keyType: String) {
        switch keyType {
        case "ssh-ed25519": self = .ed25519
        case "ecdsa-sha2-nistp256": self = .ecdsa256
        case "ecdsa-sha2-nistp384": self = .ecdsa384
        case "ecdsa-sha2-nistp521": self = .ecdsa521
        case "ssh-rsa": self = .rsa
        default: return nil
        }
    }

    /// The signature algorithms of the kind; RSA only with SHA-2 (RFC 8332).
    var algorithms: [String] {
        switch self {
        case .ed25519: ["ssh-ed25519"]
        case .ecdsa256: ["ecdsa-sha2-nistp256"]
        case .ecdsa384: ["ecdsa-sha2-nistp384"]
        case .ecdsa521: ["ecdsa-sha2-nistp521"]
        case .rsa: ["rsa-sha2-512", "rsa-sha2-256"]
        }
    }
}

/// The algorithms offered, best first; what is not listed is never used.
///
/// The NIST curves, the finite-field groups and AES-CTR are what FIPS 140 modes and the STIGs of
/// the distributions leave. Nothing with SHA-1, CBC or fewer than 2048 bits is here.
enum AlgorithmOffer {
    static let keyExchange = [
        "mlkem768x25519-sha256", "sntrup761x25519-sha512@openssh.com", "curve25519-sha256",
        "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512",
        "diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha256",
    ]
    /// The plain ones come last: some STIGs allow no others, and with AES-CTR they are sound.
    static let macs = [
        "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256",
        "hmac-sha2-512",
    ]
    /// What user keys sign with.
    static let userKeys =
        HostKeyKind.allCases.flatMap(\.algorithms).map { "\($0)-cert-v01@openssh.com" }
        + [
            "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        ] + HostKeyKind.allCases.flatMap(\.algorithms)
        + ["sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"]

    /// Every option with its candidates.
    static func options(
        _ profile: SSHCipherProfile, _ kinds: [HostKeyKind]
    ) -> [(option: ssh_options_e, what: String, names: [String])] {
        [
            (SSH_OPTIONS_KEY_EXCHANGE, "key exchange", keyExchange),
            (SSH_OPTIONS_HOSTKEYS, "host key algorithm", kinds.flatMap(\.algorithms)),
            (SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES, "user key algorithm", userKeys),
            (SSH_OPTIONS_CIPHERS_C_S, "cipher", profile.toServer),
            (SSH_OPTIONS_CIPHERS_S_C, "cipher", profile.fromServer),
            (SSH_OPTIONS_HMAC_C_S, "MAC", macs),
            (SSH_OPTIONS_HMAC_S_C, "MAC", macs),
            (SSH_OPTIONS_COMPRESSION_C_S, "compression", ["none"]),
            (SSH_OPTIONS_COMPRESSION_S_C, "compression", ["none"]),
        ]
    }
}
