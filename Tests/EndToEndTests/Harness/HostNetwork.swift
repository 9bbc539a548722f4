import LinuxSystem
import MigrationModel
import TestSupport

/// Hosts with networks of their own on one switch, where an operator sits as well.
///
/// All of it lives in namespaces and goes away with them.
final class HostNetwork {
    /// The hosts' networks, by the hosts' names.
    let namespaces: [String: NetworkNamespace]
    /// The switch; an operator's connections start here.
    let switching: NetworkNamespace

    private static let switchName = "switch"
    private static let prefix = "10.78.1."

    /// Builds the network.
    /// - Throws: `E-PERMISSION` without root.
    init(_ names: [String]) throws(LivemigError) {
        try NetworkNamespace.removeStale()
        switching = try NetworkNamespace("switch")
        try switching.ip(["link", "add", Self.switchName, "type", "bridge"])
        try switching.ip(["address", "add", Self.prefix + "100/24", "dev", Self.switchName])
        try switching.ip(["link", "set", Self.switchName, "up"])
        var namespaces: [String: NetworkNamespace] = [:]
        for (index, name) in names.enumerated() {
            let host = try NetworkNamespace(name)
            try switching.ip([
                "link", "add", name, "type", "veth", "peer", "name", "uplink", "netns", host.name,
            ])
            try switching.ip(["link", "set", name, "master", Self.switchName, "up"])
            try host.ip(["address", "add", "\(Self.prefix)\(index + 1)/24", "dev", "uplink"])
            try host.ip(["link", "set", "uplink", "up"])
            namespaces[name] = host
        }
        self.namespaces = namespaces
    }

    /// The hosts themselves, in the order of their names.
    func hosts() throws(LivemigError) -> [TestHost] {
        var hosts: [TestHost] = []
        for (index, name) in namespaces.keys.sorted().enumerated() {
            hosts.append(
                try TestHost(
                    name, in: namespaces[name], address: "\(Self.prefix)\(index + 1)"))
        }
        return hosts
    }
}
