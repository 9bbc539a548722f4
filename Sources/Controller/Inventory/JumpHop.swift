public import MigrationModel

/// One host to go through on the way to another, as ProxyJump of ssh_config(5) writes it.
public struct JumpHop: Hashable, Sendable {
    /// The user, where one is stated.
    public var user: String?
    /// The address, or the name of a host.
    public var address: String
    /// The port, where one is stated.
    public var port: Int?

    /// The most hosts in a row.
    public static let limit = HostAccess.jumpLimit

    /// Reads `[user@]address[:port]` or `ssh://…`, several by commas, or `none`.
    /// - Throws: `E-USAGE`, `E-HOSTNAME`, `E-PORT`.
    public static func parse(_ text: String) throws(LivemigError) -> [JumpHop] {
        if text.lowercased() == "none" { return [] }
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count <= limit, parts.allSatisfy({ !$0.isEmpty }) else {
            throw LivemigError(
                .usage, "illegal jump hosts \(text.escaped())",
                fix: "write 1–\(limit) of [user@]address[:port] with commas between")
        }
        return try parts.map { part throws(LivemigError) in try JumpHop(part) }
    }

    private init(_ text: Substring) throws(LivemigError) {
        var rest = text
        if rest.hasPrefix("ssh://") {
            rest = rest.dropFirst(6)
            if rest.hasSuffix("/") { rest.removeLast() }
        }
        if let at = rest.lastIndex(of: "@") {
            let name = String(rest[..<at])
            try HostRecordRules.checkUser(name)
            user = name
            rest = rest[rest.index(after: at)...]
        }
        let isBracketed = rest.hasPrefix("[")
        let colons = rest.count { $0 == ":" }
        if isBracketed ? rest.contains("]:") : colons == 1, let colon = rest.lastIndex(of: ":") {
            port = try HostRecordRules.port(String(rest[rest.index(after: colon)...]))
            rest = rest[..<colon]
        }
        address = try HostRecordRules.address(String(rest))
    }
}
