public import MigrationModel

/// The hosts of the inventory, by name.
public struct HostDirectory: Sendable {
    /// The hosts in the inventory's order.
    public let hosts: [HostRecord]

    /// Wraps hosts.
    public init(_ hosts: [HostRecord]) { self.hosts = hosts }

    /// Finds a host.
    /// - Throws: `E-NOHOST` with the names that are known.
    public func host(_ name: HostName) throws(LivemigError) -> HostRecord {
        guard let host = hosts.first(where: { $0.name == name }) else {
            throw Self.noHost(name, known: hosts.map(\.name))
        }
        return host
    }

    /// Finds hosts by what was typed; all of them where nothing was.
    /// - Throws: as `host` and `HostName`.
    public func hosts(_ names: [String]) throws(LivemigError) -> [HostRecord] {
        let named = try names.map { name throws(LivemigError) in try host(HostName(name)) }
        return named.isEmpty ? hosts : named
    }

    /// The error about a host that is not there.
    public static func noHost(_ name: HostName, known: [HostName]) -> LivemigError {
        LivemigError(
            .noHost, "no host \(name) in the inventory",
            at: known.isEmpty
                ? "it is empty" : "known: " + known.prefix(10).map(\.text).joined(separator: " "),
            fix: "add it with livemig host add")
    }
}

/// A VM as it is named in commands: `VM` or `HOST/VM`.
public struct VMReference: Hashable, Sendable, CustomStringConvertible {
    /// The host, where one is named.
    public var host: HostName?
    /// The VM.
    public var name: VMName

    /// Names a VM.
    public init(host: HostName? = nil, name: VMName) {
        self.host = host
        self.name = name
    }

    /// Reads `VM` or `HOST/VM`.
    /// - Throws: `E-VMNAME` or `E-HOSTNAME` with the escaped text.
    public init(parsing text: String) throws(LivemigError) {
        guard let slash = text.firstIndex(of: "/") else {
            self.init(name: try VMName(text))
            return
        }
        self.init(
            host: try HostName(String(text[..<slash])),
            name: try VMName(String(text[text.index(after: slash)...])))
    }

    /// As it is written.
    public var description: String { host.map { "\($0)/\(name)" } ?? name.text }
}
