import CLibSSH
import MigrationModel

/// Which ciphers a session offers.
public enum SSHCipherProfile: Hashable, Sendable {
    /// ChaCha20-Poly1305, else AES-CTR with an encrypt-then-MAC, both ways.
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
        case .bulkToServer: ["aes128-gcm@openssh.com"] + Self.safe
        }
    }

    var fromServer: [String] { Self.safe }

    private static let safe = ["chacha20-poly1305@openssh.com", "aes256-ctr"]
}

/// What a session agreed on, as named in RFC 4253 and its successors.
public struct SSHAlgorithms: Hashable, Sendable {
    /// The key exchange.
    public let keyExchange: String
    /// The cipher of what is sent.
    public let cipherToServer: String
    /// The cipher of what is received.
    public let cipherFromServer: String
}

/// The algorithms offered, best first; what is not listed is never used.
enum AlgorithmOffer {
    static let keyExchange = [
        "mlkem768x25519-sha256", "sntrup761x25519-sha512@openssh.com", "curve25519-sha256",
        "curve25519-sha256@libssh.org",
    ]
    /// Fixed, so that a host with several keys always shows the same one.
    static let hostKeys = ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"]
    static let macs = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"]

    /// Every option with its candidates.
    static func options(
        _ profile: SSHCipherProfile
    ) -> [(option: ssh_options_e, what: String, names: [String])] {
        [
            (SSH_OPTIONS_KEY_EXCHANGE, "key exchange", keyExchange),
            (SSH_OPTIONS_HOSTKEYS, "host key algorithm", hostKeys),
            (SSH_OPTIONS_CIPHERS_C_S, "cipher", profile.toServer),
            (SSH_OPTIONS_CIPHERS_S_C, "cipher", profile.fromServer),
            (SSH_OPTIONS_HMAC_C_S, "MAC", macs),
            (SSH_OPTIONS_HMAC_S_C, "MAC", macs),
            (SSH_OPTIONS_COMPRESSION_C_S, "compression", ["none"]),
            (SSH_OPTIONS_COMPRESSION_S_C, "compression", ["none"]),
        ]
    }
}
