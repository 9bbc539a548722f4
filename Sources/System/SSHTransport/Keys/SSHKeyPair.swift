import CLibSSH
import Glibc
import LinuxSystem
public import MigrationModel
import SystemPackage

/// A key pair for logging in to a host.
///
/// Not bound to a thread; the private key is freed with the pair.
public struct SSHKeyPair: ~Copyable {
    private let key: SSHKey

    /// The kinds of keys that are made.
    public enum Kind: CaseIterable, Sendable {
        /// Ed25519 (RFC 8709).
        case ed25519
        /// ECDSA with NIST P-256 (RFC 5656), for hosts in FIPS mode.
        case ecdsa

        /// The kind's name in lines of authorized_keys.
        public var name: String {
            switch self {
            case .ed25519: "ssh-ed25519"
            case .ecdsa: "ecdsa-sha2-nistp256"
            }
        }
    }

    /// Makes a new pair.
    /// - Throws: `E-KEY` when the library cannot.
    public static func generate(_ kind: Kind = .ed25519) throws(LivemigError) -> SSHKeyPair {
        SSHLibrary.start()
        var pointer: ssh_key?
        let status =
            switch kind {
            case .ed25519: unsafe ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &pointer)
            case .ecdsa: unsafe ssh_pki_generate(SSH_KEYTYPE_ECDSA_P256, 256, &pointer)
            }
        guard status == SSH_OK, let pointer = unsafe pointer else {
            throw LivemigError(.key, "libssh cannot generate an \(kind.name) key")
        }
        return SSHKeyPair(key: unsafe SSHKey(owning: pointer))
    }

    /// Reads a private key file that has no passphrase.
    ///
    /// - Throws: `E-FILE` when it is missing, `E-KEYMODE` when others can read it, `E-KEY` when it
    ///   has a passphrase or is no private key.
    public static func read(_ path: String) throws(LivemigError) -> SSHKeyPair {
        SSHKeyPair(key: try SSHKey.privateKey(file: path))
    }

    /// The line for authorized_keys: kind, public key and a comment.
    /// - Throws: `E-USAGE` for a comment outside `A–Z a–z 0–9 . _ @ : + -`.
    public func publicLine(comment: String = "livemig") throws(LivemigError) -> String {
        let allowed = comment.unicodeScalars.allSatisfy {
            switch $0 {
            case "A"..."Z", "a"..."z", "0"..."9", ".", "_", "@", ":", "+", "-": true
            default: false
            }
        }
        guard allowed, comment.utf8.count <= 256 else {
            throw LivemigError(.usage, "illegal comment \(comment.escaped()) for a key")
        }
        let line = try key.publicLine()
        return comment.isEmpty ? line : line + " " + comment
    }

    /// `SHA256:` and 43 characters of base64, as ssh-keygen(1) shows it.
    public var fingerprint: String { key.fingerprint ?? "unknown" }

    /// Writes the private key, in a format that OpenSSH reads, to a new file of mode 0600.
    /// - Throws: `E-EXISTS` when the file is there already, `E-FILE` when it cannot be written.
    public func write(to path: String) throws(LivemigError) {
        var text: UnsafeMutablePointer<CChar>?
        guard unsafe clibssh_export_private_key(key.pointer, &text) == SSH_OK,
            let text = unsafe text
        else { throw LivemigError(.key, "libssh cannot export the private key") }
        let length = unsafe strlen(text)
        defer {
            unsafe explicit_bzero(text, length)
            unsafe ssh_string_free_char(text)
        }
        var status = stat()
        guard unsafe lstat(path, &status) != 0 else {
            throw LivemigError(.exists, "the file is there already", at: path)
        }
        let file = try OwnedDescriptor.open(
            path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        let bytes = unsafe UnsafeRawBufferPointer(start: text, count: length)
        try unsafe DescriptorIO.write(bytes.bytes, to: file.number, at: path)
        let number = file.number
        try SystemCall.check("fsync", at: path, as: .file) { fsync(number) }
    }
}
