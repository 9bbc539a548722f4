import Glibc
public import MigrationModel

/// What values a host's record may hold, whether they come from a file or a command line.
///
/// Addresses, users and paths become arguments and words of a remote command line: their alphabets
/// leave no room for options, quotes or expansions.
public enum HostRecordRules {
    /// The ports of TCP.
    public static let ports = 1...65535
    /// The longest path in bytes (`PATH_MAX`, limits.h, less its NUL).
    public static let longestPath = 4095

    /// Checks every value of a record.
    /// - Throws: the first rule broken.
    public static func check(_ record: HostRecord) throws(LivemigError) {
        try checkAddress(record.address)
        try checkPort(record.port)
        try checkUser(record.user)
        if let identity = record.identity { try checkIdentity(identity) }
        try checkRemotePath(record.root, "root")
        try checkRemotePath(record.agent, "agent")
        if let file = record.authorizedKeys { try checkRemotePath(file, "authorizedKeys") }
        for jump in [record.jump, record.peerJump] {
            if let jump { try checkJump(jump) }
        }
        for timeout in [record.connectTimeout, record.loginTimeout, record.answerTimeout] {
            if let timeout { try checkTimeout(timeout) }
        }
        for key in record.hostKeys { try checkFingerprint(key) }
        for network in record.migrationNetworks {
            try MigrationNetwork.check(priority: network.priority)
        }
    }

    /// Reads a DNS name or an IP address: IPv6 with or without brackets, with a scope if it needs
    /// one (RFC 4007, section 11).
    /// - Returns: the address without brackets.
    /// - Throws: `E-HOSTNAME`.
    public static func address(_ text: String) throws(LivemigError) -> String {
        var address = text
        if text.hasPrefix("["), text.hasSuffix("]"), text.contains(":") {
            address = String(text.dropFirst().dropLast())
        }
        try checkAddress(address)
        return address
    }

    /// A DNS name, `[A-Za-z0-9_][A-Za-z0-9._-]{0,252}`, or an IP address without brackets.
    /// - Throws: `E-HOSTNAME`.
    public static func checkAddress(_ text: String) throws(LivemigError) {
        let bytes = Array(text.utf8)
        let isName =
            (1...253).contains(bytes.count)
            && bytes.first.map { isAlphanumeric($0) || $0 == UInt8(ascii: "_") } ?? false
            && bytes.allSatisfy { isAlphanumeric($0) || "._-".utf8.contains($0) }
        guard isName || isIPv6(text) else {
            throw LivemigError(
                .hostName, "illegal address \(text.escaped())",
                fix: "write a DNS name or an IP address: 1–253 of A–Z a–z 0–9 . _ -, starting with "
                    + "a letter, digit or _; IPv6 as fe80::1%eth0")
        }
    }

    private static func isIPv6(_ text: String) -> Bool {
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        var address = in6_addr()
        guard text.utf8.count <= 80, !text.utf8.contains(0), let number = parts.first,
            unsafe inet_pton(AF_INET6, String(number), &address) == 1
        else { return false }
        guard parts.count == 2 else { return true }
        // The name of an interface, or its number (IFNAMSIZ, if.h).
        return (1...15).contains(parts[1].utf8.count)
            && parts[1].utf8.allSatisfy { isAlphanumeric($0) || "._-@".utf8.contains($0) }
    }

    /// A login name: 1–255 of `A–Z a–z 0–9 . _ @ \ + -` and `$`, starting with a letter, digit or
    /// `_`, not ending in `\`; directories have `first.last`, `DOM\user` and `user@dom`.
    /// - Throws: `E-USAGE`.
    public static func checkUser(_ text: String) throws(LivemigError) {
        let bytes = Array(text.utf8)
        guard (1...255).contains(bytes.count), let first = bytes.first,
            isAlphanumeric(first) || first == UInt8(ascii: "_"),
            bytes.last != UInt8(ascii: "\\"),
            bytes.allSatisfy({ isAlphanumeric($0) || "._@\\+-$".utf8.contains($0) })
        else {
            throw LivemigError(
                .usage, "illegal user \(text.escaped())",
                fix: "use 1–255 of A–Z a–z 0–9 . _ @ \\ + - $ and start with a letter, digit or _")
        }
    }

    /// A time-out within `HostTimeouts.range`.
    /// - Throws: `E-RANGE`.
    public static func checkTimeout(_ timeout: Duration) throws(LivemigError) {
        guard HostTimeouts.range.contains(timeout) else {
            throw LivemigError(
                .range, "a time-out of \(timeout.brief) is outside 1 s to 600 s")
        }
    }

    /// Reads a time-out, such as `12s`.
    /// - Throws: `E-SIZE`, `E-RANGE`.
    public static func timeout(_ text: String) throws(LivemigError) -> Duration {
        let timeout = try Duration(parsing: text)
        try checkTimeout(timeout)
        return timeout
    }

    /// The hosts to go through: `none`, or up to 8 of `[user@]address[:port]` by commas.
    /// - Throws: `E-USAGE`, and as the rules of the parts.
    public static func checkJump(_ text: String) throws(LivemigError) {
        _ = try JumpHop.parse(text)
    }

    /// A port from 1 to 65535.
    /// - Throws: `E-PORT`.
    public static func checkPort(_ port: Int) throws(LivemigError) {
        guard ports.contains(port) else {
            throw LivemigError(.port, "port \(port) is outside 1 to 65535")
        }
    }

    /// Reads a port: one to five decimal digits.
    /// - Throws: `E-PORT`.
    public static func port(_ text: String) throws(LivemigError) -> Int {
        guard let port = Int(digits: text, atMost: 5) else {
            throw LivemigError(.port, "\(text.escaped()) is not a port", fix: "give 1 to 65535")
        }
        try checkPort(port)
        return port
    }

    /// Reads how a user becomes root: `sudo`.
    /// - Throws: `E-USAGE`.
    public static func become(_ text: String) throws(LivemigError) -> HostRecord.Become {
        guard let become = HostRecord.Become(rawValue: text) else {
            throw LivemigError(
                .usage, "\(text.escaped()) is no way to become root", fix: "write sudo")
        }
        return become
    }

    /// A path on a host: absolute, of `A–Z a–z 0–9 . _ / @ : + -`, without `..`.
    /// - Throws: `E-USAGE`.
    public static func checkRemotePath(_ path: String, _ what: String) throws(LivemigError) {
        let isPlain = path.utf8.allSatisfy { isAlphanumeric($0) || "._/@:+-".utf8.contains($0) }
        guard path.hasPrefix("/"), path.utf8.count <= longestPath, isPlain else {
            throw LivemigError(
                .usage, "illegal \(what) path \(path.escaped())",
                fix: "write an absolute path of A–Z a–z 0–9 . _ / @ : + -")
        }
        try checkDots(path, what)
    }

    /// A private key's file on this machine: absolute or below `~/`, without control characters.
    /// - Throws: `E-USAGE`.
    public static func checkIdentity(_ path: String) throws(LivemigError) {
        let isPlain = path.unicodeScalars.allSatisfy {
            $0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value)
                && !(0xFFFE...0xFFFF).contains($0.value)
        }
        guard path.hasPrefix("/") || path.hasPrefix("~/"), !path.hasSuffix("/"), isPlain,
            path.utf8.count <= longestPath
        else {
            throw LivemigError(
                .usage, "illegal identity \(path.escaped())",
                fix: "write an absolute path or one that begins with ~/")
        }
        try checkDots(path, "identity")
    }

    /// A host key's fingerprint as OpenSSH prints it: `SHA256:` and 43 characters of base64.
    ///
    /// 256 bits fill 42 characters and four of the six bits of the last (RFC 4648, section 4).
    /// - Throws: `E-USAGE`.
    public static func checkFingerprint(_ text: String) throws(LivemigError) {
        let digits = Array(text.utf8.dropFirst(7))
        guard text.hasPrefix("SHA256:"), digits.count == 43,
            digits.allSatisfy({ isAlphanumeric($0) || "+/".utf8.contains($0) }),
            let last = digits.last, "AEIMQUYcgkosw048".utf8.contains(last)
        else {
            throw LivemigError(
                .usage, "illegal host key fingerprint \(text.escaped())",
                fix: "write SHA256: and 43 characters, as ssh-keygen -lf shows them")
        }
    }

    private static func checkDots(_ path: String, _ what: String) throws(LivemigError) {
        guard !path.split(separator: "/").contains("..") else {
            throw LivemigError(.usage, "\(what) path \(path.escaped()) goes up by ..")
        }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}

extension HostRecord {
    /// The private key's file with a leading `~/` replaced; `nil` where the SSH agent is used.
    /// - Parameter home: the home folder of the user who runs the command.
    public func identityPath(home: String) -> String? {
        guard let identity, identity.hasPrefix("~/") else { return identity }
        return home + identity.dropFirst()
    }
}
