import LinuxSystem
import MigrationModel
import TestSupport

/// Two hosts with networks of their own, joined by two cables: one for whoever looks after them, and
/// one for page data.
final class MigrationLinks {
    /// The hosts' networks.
    let alpha: NetworkNamespace
    let beta: NetworkNamespace

    /// The cable for page data, as both hosts know it.
    static let fastInterface = "fast"
    static let fastSubnet = "10.77.3.0/24"
    private static let slowInterface = "slow"

    /// The address of a host that the inventory names.
    static func slowAddress(_ host: Int) -> String { "10.77.2.\(host)" }
    /// The address of a host on the cable for page data.
    static func fastAddress(_ host: Int) -> String { "10.77.3.\(host)" }

    /// Lays the cables.
    /// - Throws: `E-PERMISSION` without root.
    init() throws(LivemigError) {
        try NetworkNamespace.removeStale()
        alpha = try NetworkNamespace("linkalpha")
        beta = try NetworkNamespace("linkbeta")
        try lay(Self.slowInterface, Self.slowAddress)
        try lay(Self.fastInterface, Self.fastAddress)
    }

    /// Bytes that have come to beta over the cable for page data.
    func fastBytesReceived() throws -> UInt64 {
        let shown = try beta.ip(["-s", "link", "show", "dev", Self.fastInterface])
        let lines = shown.split(separator: "\n").map { $0.split(separator: " ") }
        guard let title = lines.firstIndex(where: { $0.first == "RX:" }), title + 1 < lines.count,
            let bytes = lines[title + 1].first.flatMap({ UInt64($0) })
        else { throw LivemigError(.io, "ip shows no received bytes", at: shown.escaped()) }
        return bytes
    }

    private func lay(
        _ interface: String, _ address: (Int) -> String
    ) throws(LivemigError) {
        try alpha.ip([
            "link", "add", interface, "type", "veth", "peer", "name", interface, "netns", beta.name,
        ])
        for (number, host) in [(1, alpha), (2, beta)] {
            try host.ip(["address", "add", address(number) + "/24", "dev", interface])
            try host.ip(["link", "set", interface, "up"])
        }
    }
}

extension TestHost {
    /// How many connections its sshd has taken at an address.
    func connections(at address: String) -> Int {
        ssh.log.split(whereSeparator: \.isNewline)
            .count { $0.contains("Connection from ") && $0.contains(" on \(address) port ") }
    }
}
