import CLibSSH
import Glibc
import LinuxSystem
import MigrationModel
import SystemPackage

/// A file that says which key to log in with: a private key, or a public key of the SSH agent.
///
/// Reads OpenSSH's own format (PROTOCOL.key), PEM and PKCS #8, each with or without a passphrase.
/// Belongs to one thread.
@safe
final class SSHKeyFile {
    /// What the file holds.
    enum Contents {
        case publicKey
        case privateKey(isEncrypted: Bool)
    }

    let path: String
    /// Whether it is the one key that must be used.
    let isNamed: Bool
    let contents: Contents
    /// The public half; `nil` for a private key whose public half is neither in it nor beside it.
    let publicKey: PublicKeyBlob?
    private let text: HeapBuffer

    /// The largest key file that is read, in bytes.
    static let fileLimit = 64 << 10

    /// Reads a key file; a private key must be its owner's alone.
    ///
    /// A private key may be missing where its public key is beside it: the agent has it then.
    /// - Throws: `E-FILE` when it is missing, `E-KEYMODE` when others can read a private key,
    ///   `E-KEY` for anything else than a key.
    init(reading path: String, isNamed: Bool = false) throws(LivemigError) {
        var path = path
        if unsafe access(path, F_OK) != 0, unsafe access(path + ".pub", F_OK) == 0 {
            path += ".pub"
        }
        let text = HeapBuffer(count: Self.fileLimit + 1)
        let mode = try Self.read(path, into: text)
        self.path = path
        self.isNamed = isNamed
        if let blob = PublicKeyBlob(line: text.firstLine) {
            contents = .publicKey
            publicKey = blob
            self.text = text
            return
        }
        guard mode & 0o077 == 0 else {
            text.wipe()
            throw LivemigError(
                .keyMode,
                "others can read the private key (mode 0\(String(mode & 0o7777, radix: 8)))",
                at: path, fix: "chmod 600 it")
        }
        let header = PrivateKeyHeader(unsafe String(decoding: text.bytes, as: UTF8.self))
        contents = .privateKey(isEncrypted: header.isEncrypted)
        publicKey = header.publicKey ?? (try? Self.publicKey(beside: path))
        self.text = text
    }

    deinit { text.wipe() }

    /// Whether the key is in a security key, which this program cannot talk to.
    var isHardware: Bool { publicKey?.kind.hasPrefix("sk-") ?? false }

    /// The private key.
    /// - Parameter passphrase: for an encrypted one.
    /// - Returns: `nil` when the passphrase is wrong or the file is no key that libssh can read.
    func unlock(_ passphrase: String = "") -> SSHKey? {
        var key: ssh_key?
        // Never without a passphrase: OpenSSL would ask at the terminal.
        let status = unsafe ssh_pki_import_privkey_base64(
            text.bytes.assumingMemoryBound(to: CChar.self).baseAddress, passphrase, nil, nil, &key)
        guard status == SSH_OK, let key = unsafe key else { return nil }
        return unsafe SSHKey(owning: key)
    }

    private static func publicKey(
        beside path: String
    ) throws(LivemigError) -> PublicKeyBlob? {
        let text = HeapBuffer(count: fileLimit + 1)
        _ = try read(path + ".pub", into: text)
        return PublicKeyBlob(line: text.firstLine)
    }

    /// Puts the file's bytes into a buffer of zeros that is one byte longer than the limit.
    /// - Returns: the file's mode.
    private static func read(
        _ path: String, into text: borrowing HeapBuffer
    ) throws(LivemigError) -> mode_t {
        // Not OwnedDescriptor.open: a symbolic link to the key is common. A FIFO would block.
        let file = OwnedDescriptor(
            owning: try SystemCall.check("open", at: path, as: .file) {
                unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            })
        var status = stat()
        let number = file.number
        try SystemCall.check("fstat", at: path, as: .file) { unsafe fstat(number, &status) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size <= fileLimit else {
            throw LivemigError(.key, "not a key file", at: path)
        }
        _ = try unsafe DescriptorIO.readFully(
            into: .init(rebasing: text.bytes[..<fileLimit]), from: number, at: path)
        return status.st_mode
    }
}

extension HeapBuffer {
    /// The bytes before the first newline or zero.
    fileprivate var firstLine: [UInt8] {
        var line: [UInt8] = []
        for index in unsafe 0..<bytes.count {
            let byte = unsafe bytes[index]
            if byte == 0 || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") { break }
            line.append(byte)
        }
        return line
    }
}

/// A public key as it crosses the wire (RFC 4253, section 6.6).
struct PublicKeyBlob: Hashable, Sendable {
    let bytes: [UInt8]
    /// Its kind, such as `ssh-ed25519`.
    let kind: String

    /// The names that begin the lines of public keys.
    private static let families = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]

    /// Reads the bytes; `nil` when they do not begin with a kind.
    init?(_ bytes: [UInt8]) {
        var reader = SSHStringReader(bytes)
        guard let name = reader.next(), !name.isEmpty,
            name.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        kind = String(decoding: name, as: UTF8.self)
        self.bytes = bytes
    }

    /// Reads a line of a public key file: kind, base64, comment.
    init?(line: some Sequence<UInt8>) {
        let words = String(decoding: Array(line), as: UTF8.self).split(separator: " ")
        guard words.count >= 2, Self.families.contains(where: words[0].hasPrefix),
            let bytes = Base64.decode(words[1]), let blob = PublicKeyBlob(bytes),
            blob.kind == words[0]
        else { return nil }
        self = blob
    }

    /// Whether it is a certificate rather than a key.
    var isCertificate: Bool { kind.hasSuffix("-cert-v01@openssh.com") }

    /// Whether it is a certificate of a key: kind and nonce, then the key's own fields
    /// (PROTOCOL.certkeys of OpenSSH).
    func certifies(_ key: PublicKeyBlob) -> Bool {
        var (certificate, plain) = (SSHStringReader(bytes), SSHStringReader(key.bytes))
        guard isCertificate, kind.hasPrefix(key.kind.prefix { $0 != "@" }),
            certificate.next() != nil, certificate.next() != nil, plain.next() != nil
        else { return false }
        return !plain.rest.isEmpty && certificate.rest.starts(with: plain.rest)
    }
}

/// What can be read of a private key file without its passphrase.
private struct PrivateKeyHeader {
    var isEncrypted = false
    var publicKey: PublicKeyBlob?

    init(_ text: String) {
        let lines = text.prefix { $0 != "\0" }.split(whereSeparator: \.isNewline)
            .map { $0.trimmingSpaces() }
        // PEM and PKCS #8 say it in words.
        isEncrypted = lines.contains {
            $0.hasPrefix("-----BEGIN ENCRYPTED") || $0.hasPrefix("Proc-Type: 4,ENCRYPTED")
        }
        guard let start = lines.firstIndex(of: "-----BEGIN OPENSSH PRIVATE KEY-----"),
            let end = lines.firstIndex(of: "-----END OPENSSH PRIVATE KEY-----"), start < end,
            let bytes = Base64.decode(lines[(start + 1)..<end].joined())
        else { return }
        let magic = Array("openssh-key-v1\0".utf8)
        guard bytes.starts(with: magic) else { return }
        var reader = SSHStringReader(Array(bytes.dropFirst(magic.count)))
        guard let cipher = reader.next(), reader.next() != nil, reader.next() != nil,
            reader.number() == 1, let blob = reader.next()
        else { return }
        isEncrypted = cipher != Array("none".utf8)
        publicKey = PublicKeyBlob(blob)
    }
}

extension Substring {
    fileprivate func trimmingSpaces() -> String {
        var text = self
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text.drop(while: \.isWhitespace))
    }
}

/// Reads the strings and numbers that SSH's formats consist of (RFC 4251, section 5).
struct SSHStringReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The bytes not read yet.
    var rest: [UInt8] { Array(bytes[position...]) }

    /// The next number of 32 bits; `nil` at the end.
    mutating func number() -> Int? {
        guard bytes.count - position >= 4 else { return nil }
        defer { position += 4 }
        return bytes[position..<(position + 4)].reduce(0) { $0 << 8 | Int($1) }
    }

    /// The next string; `nil` when its length goes beyond the end.
    mutating func next() -> [UInt8]? {
        let start = position
        guard let count = number(), count <= bytes.count - position else {
            position = start
            return nil
        }
        defer { position += count }
        return Array(bytes[position..<(position + count)])
    }

    /// Writes a string as `next` reads it.
    static func encode(_ bytes: [UInt8]) -> [UInt8] {
        let count = UInt32(clamping: bytes.count)
        return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> UInt32($0)) } + bytes
    }
}

/// Base64 (RFC 4648, section 4), strict but for missing padding.
enum Base64 {
    static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var (bits, count): (UInt32, UInt32) = (0, 0)
        var padding = 0
        for byte in text.utf8 {
            if byte == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            guard padding == 0, let value = value(of: byte) else { return nil }
            bits = bits << 6 | value
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
                bits &= (1 << count) - 1
            }
        }
        return padding <= 2 && bits == 0 ? bytes : nil
    }

    private static func value(of byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}

extension String {
    /// The text as it is, or escaped where a terminal would obey parts of it.
    var printable: String {
        unicodeScalars.allSatisfy { $0.properties.generalCategory.isShown } ? self : escaped()
    }
}

extension Unicode.GeneralCategory {
    fileprivate var isShown: Bool {
        switch self {
        case .control, .format, .surrogate, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}
