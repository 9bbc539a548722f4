public import MigrationModel

/// A public key as a line of an authorized_keys file has it, without options and comment.
public struct SSHPublicKey: Hashable, Sendable {
    /// The kind, such as `ssh-ed25519`.
    public let kind: String
    /// The key in base64.
    public let blob: String
    /// `SHA256:` and 43 characters of base64, as ssh-keygen(1) shows it.
    public let fingerprint: String

    /// The longest key in base64, in bytes: RSA of 16,384 bits has 2,800.
    public static let blobLimit = 4000

    /// Reads a kind and a key in base64; what follows is a comment.
    /// - Throws: `E-KEY` for anything else.
    public init(line: String) throws(LivemigError) {
        let words = line.split(separator: " ")
        guard words.count >= 2, words[1].utf8.count <= Self.blobLimit,
            words[1].utf8.allSatisfy(Self.isBase64)
        else { throw LivemigError(.key, "not a public key", at: line.escaped()) }
        try self.init(kind: String(words[0]), blob: String(words[1]))
    }

    /// Joins a kind and a key in base64.
    /// - Throws: `E-KEY` for what is no key of that kind.
    public init(kind: String, blob: String) throws(LivemigError) {
        let key = try SSHKey.publicKey(kind: kind, blob: blob)
        guard key.kind == kind, let fingerprint = key.fingerprint else {
            throw LivemigError(.key, "not a key of this kind", at: kind.escaped())
        }
        self.kind = kind
        self.blob = blob
        self.fingerprint = fingerprint
    }

    /// Kind and key.
    public var line: String { "\(kind) \(blob)" }

    private static func isBase64(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"),
            UInt8(ascii: "="):
            true
        default: false
        }
    }
}
