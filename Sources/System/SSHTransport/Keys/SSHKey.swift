import CLibSSH
import MigrationModel

/// The owner of a key of the C library.
@safe
struct SSHKey: ~Copyable {
    let pointer: ssh_key

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

    /// A copy of the key that carries a certificate.
    /// - Returns: `nil` when the certificate is not this key's.
    func certified(by path: String) -> SSHKey? {
        guard let blob = try? SSHKeyFile(reading: path).publicKey,
            let line = try? publicLine(), let own = PublicKeyBlob(line: line.utf8),
            blob.certifies(own)
        else { return nil }
        var certificate: ssh_key?
        guard unsafe ssh_pki_import_cert_file(path, &certificate) == SSH_OK,
            let certificate = unsafe certificate
        else { return nil }
        let owned = unsafe SSHKey(owning: certificate)
        guard let copy = unsafe ssh_key_dup(pointer) else { return nil }
        let key = unsafe SSHKey(owning: copy)
        guard unsafe ssh_pki_copy_cert_to_privkey(owned.pointer, key.pointer) == SSH_OK else {
            return nil
        }
        return key
    }

    /// Reads a private key file that only its owner can read.
    ///
    /// - Throws: `E-FILE` when it is missing, `E-KEYMODE` when others can read it, `E-KEY` when it
    ///   has a passphrase or is no private key.
    static func privateKey(file path: String) throws(LivemigError) -> SSHKey {
        SSHLibrary.start()
        let file = try SSHKeyFile(reading: path)
        if case .privateKey(isEncrypted: true) = file.contents {
            throw LivemigError(
                .key, "the key has a passphrase", at: path,
                fix: "load it into the SSH agent with ssh-add")
        }
        guard case .privateKey = file.contents, let key = file.unlock() else {
            throw unreadable(path)
        }
        return key
    }

    static func unreadable(_ path: String) -> LivemigError {
        LivemigError(
            .key, "not a private key that libssh \(SSHLibrary.version) can read", at: path,
            fix: "make one with ssh-keygen -t ed25519")
    }
}

/// A key that several parts of a login share, on one thread.
final class SharedKey {
    let key: SSHKey

    init(_ key: consuming SSHKey) { self.key = key }
}
