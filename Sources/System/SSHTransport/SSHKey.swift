import CLibSSH
import Glibc
import LinuxSystem
import MigrationModel
import SystemPackage

/// The owner of a key of the C library.
@safe
struct SSHKey: ~Copyable {
    let pointer: ssh_key

    /// The largest private key file that is read, in bytes.
    static let fileLimit = 64 << 10

    init(owning pointer: ssh_key) { unsafe self.pointer = pointer }

    deinit { unsafe ssh_key_free(pointer) }

    /// `SHA256:` and the base64 digest of the public key without padding, as ssh-keygen(1) shows
    /// it.
    var fingerprint: String? {
        var hash: UnsafeMutablePointer<UInt8>?
        var length = 0
        guard
            unsafe ssh_get_publickey_hash(pointer, SSH_PUBLICKEY_HASH_SHA256, &hash, &length)
                == SSH_OK
        else { return nil }
        defer { unsafe ssh_clean_pubkey_hash(&hash) }
        return unsafe consumedString(
            ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, length))
    }

    /// The kind of key, such as `ssh-ed25519`.
    var kind: String { unsafe string(ssh_key_type_to_char(ssh_key_type(pointer))) }

    /// The kind and the public key in base64, as in authorized_keys.
    func publicLine() throws(LivemigError) -> String {
        var text: UnsafeMutablePointer<CChar>?
        guard unsafe ssh_pki_export_pubkey_base64(pointer, &text) == SSH_OK,
            let key = unsafe consumedString(text)
        else { throw LivemigError(.key, "libssh cannot export the public key") }
        return "\(kind) \(key)"
    }

    /// Reads a public key.
    /// - Parameters:
    ///   - kind: such as `ssh-ed25519`.
    ///   - blob: the key in base64.
    /// - Throws: `E-KEY` for what is no key of that kind.
    static func publicKey(kind: String, blob: String) throws(LivemigError) -> SSHKey {
        SSHLibrary.start()
        var key: ssh_key?
        guard
            unsafe ssh_pki_import_pubkey_base64(blob, ssh_key_type_from_name(kind), &key)
                == SSH_OK, let key = unsafe key
        else { throw LivemigError(.key, "not a public key", at: "\(kind) \(blob)".escaped()) }
        return unsafe SSHKey(owning: key)
    }

    /// Reads a private key file that only its owner can read.
    ///
    /// - Throws: `E-FILE` when it is missing, `E-KEYMODE` when others can read it, `E-KEY` when it
    ///   has a passphrase or is no private key.
    static func privateKey(file path: String) throws(LivemigError) -> SSHKey {
        SSHLibrary.start()
        let text = HeapBuffer(count: fileLimit + 1)
        defer { text.wipe() }
        try readPrivate(path, into: text)
        guard !isEncrypted(text) else {
            throw LivemigError(
                .key, "the key has a passphrase", at: path,
                fix: "load it into the SSH agent with ssh-add and leave out the identity file")
        }
        var key: ssh_key?
        // An empty passphrase, because without one OpenSSL would ask at the terminal.
        let status = unsafe ssh_pki_import_privkey_base64(
            text.bytes.assumingMemoryBound(to: CChar.self).baseAddress, "", nil, nil, &key)
        guard status == SSH_OK, let key = unsafe key else {
            throw LivemigError(
                .key, "not a private key that libssh \(SSHLibrary.version) can read", at: path,
                fix: "make one with ssh-keygen -t ed25519")
        }
        return unsafe SSHKey(owning: key)
    }

    /// Puts the file's bytes into a buffer of zeros that is one byte longer than the limit.
    private static func readPrivate(
        _ path: String, into text: borrowing HeapBuffer
    ) throws(LivemigError) {
        // Not OwnedDescriptor.open: a symbolic link to the key is common.
        let file = OwnedDescriptor(
            owning: try SystemCall.check("open", at: path, as: .file) {
                unsafe open(path, O_RDONLY | O_CLOEXEC)
            })
        var status = stat()
        let number = file.number
        try SystemCall.check("fstat", at: path, as: .file) { unsafe fstat(number, &status) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size <= fileLimit else {
            throw LivemigError(.key, "not a private key file", at: path)
        }
        guard status.st_mode & 0o077 == 0 else {
            let mode = String(status.st_mode & 0o7777, radix: 8)
            throw LivemigError(
                .keyMode, "others can read the private key (mode 0\(mode))", at: path,
                fix: "chmod 600 it")
        }
        _ = try unsafe DescriptorIO.readFully(
            into: .init(rebasing: text.bytes[..<fileLimit]), from: number, at: path)
    }

    /// Whether a passphrase protects the key: said in words by PEM, and by the name of the cipher
    /// in OpenSSH's format (PROTOCOL.key), where an open key starts with this base64.
    private static func isEncrypted(_ text: borrowing HeapBuffer) -> Bool {
        let lines = unsafe String(decoding: text.bytes, as: UTF8.self).split(
            whereSeparator: \.isNewline)
        if lines.contains(where: { $0.contains("ENCRYPTED") }) { return true }
        guard let header = lines.firstIndex(where: { $0.contains("BEGIN OPENSSH PRIVATE KEY") }),
            header + 1 < lines.count
        else { return false }
        return !lines[header + 1].hasPrefix("b3BlbnNzaC1rZXktdjEAAAAABG5vbmU")
    }
}
