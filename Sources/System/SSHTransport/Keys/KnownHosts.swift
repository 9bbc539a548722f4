import CLibSSH
import MigrationModel

/// What known_hosts files say about a host (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
public struct KnownHosts: Hashable, Sendable {
    /// The host's keys.
    public private(set) var keys: [SSHHostKey] = []
    /// Keys that must not be accepted.
    public private(set) var revoked: [SSHHostKey] = []
    /// Whether a certificate authority vouches for the host; livemig takes no host certificates.
    public private(set) var hasAuthority = false

    /// Nothing known.
    public init() {}

    /// What a host is called in known_hosts, best first.
    /// - Parameters:
    ///   - name: the address, or what `HostKeyAlias` says.
    ///   - port: the port; an alias is not combined with one.
    public static func names(_ name: String, port: Int, isAlias: Bool) -> [String] {
        let name = name.lowercased()
        return isAlias || port == 22 ? [name] : ["[\(name)]:\(port)", name]
    }

    /// Adds what a file says of a host; names may be hashed or patterns.
    /// - Parameters:
    ///   - text: the file's text.
    ///   - name: one of `names`.
    public mutating func read(_ text: String, name: String) {
        SSHLibrary.start()
        for line in text.split(whereSeparator: \.isNewline) {
            read(line: line.drop(while: \.isWhitespace), name)
        }
    }

    private mutating func read(line: Substring, _ name: String) {
        guard let first = line.first, first != "#" else { return }
        guard first == "@" else {
            if let key = Self.key(String(line), name) { keys.append(key) }
            return
        }
        let marker = line.prefix { !$0.isWhitespace }
        let rest = String(line.dropFirst(marker.count).drop(while: \.isWhitespace))
        guard let key = Self.key(rest, name) else { return }
        switch marker {
        case "@revoked": revoked.append(key)
        case "@cert-authority": hasAuthority = true
        default: break
        }
    }

    /// The key of a line that is about a host; `nil` for other lines, and damaged ones.
    private static func key(_ line: String, _ name: String) -> SSHHostKey? {
        let hosts = line.prefix { !$0.isWhitespace }
        // libssh passes over patterns that exclude a host.
        let excluded = hosts.split(separator: ",").filter { $0.hasPrefix("!") }
            .map { $0.dropFirst() }.joined(separator: ",")
        let rest = line[hosts.endIndex...]
        if !excluded.isEmpty, parse(excluded + rest, name) != nil { return nil }
        return parse(line, name)
    }

    private static func parse(_ line: String, _ name: String) -> SSHHostKey? {
        var entry: UnsafeMutablePointer<ssh_knownhosts_entry>?
        guard unsafe ssh_known_hosts_parse_line(name, line, &entry) == SSH_OK,
            let found = unsafe entry
        else { return nil }
        defer { unsafe ssh_knownhosts_entry_free(found) }
        guard let pointer = unsafe found.pointee.publickey,
            let copy = unsafe ssh_key_dup(pointer)
        else { return nil }
        let key = unsafe SSHKey(owning: copy)
        return key.fingerprint.map { SSHHostKey(kind: key.kind, fingerprint: $0) }
    }
}
