import Glibc
import LinuxSystem
import MigrationModel
import TestSupport

/// Two hosts with networks of their own on one switch, and a client on the switch.
///
/// Each host has a bridge that guests are attached to, joined to the switch by a veth pair. All of
/// it lives in namespaces and goes away with them.
final class GuestNetwork {
    /// The hosts' networks.
    let alpha: NetworkNamespace
    let beta: NetworkNamespace
    /// The switch; the client's connections start here.
    let switching: NetworkNamespace

    static let alphaAddress = "10.77.1.1"
    static let betaAddress = "10.77.1.2"
    static let guestAddress = "10.77.1.9"
    static let guestMAC = "52:54:00:77:00:09"
    /// The bridge's name on both hosts.
    static let bridge = "guests"
    private static let clientAddress = "10.77.1.3"
    private static let switchName = "switch"

    /// Builds the network.
    /// - Throws: `E-PERMISSION` without root.
    init() throws(LivemigError) {
        try NetworkNamespace.removeStale()
        alpha = try NetworkNamespace("alpha")
        beta = try NetworkNamespace("beta")
        switching = try NetworkNamespace("switch")
        try Self.addBridge(Self.switchName, Self.clientAddress, in: switching)
        try join(alpha, Self.alphaAddress, port: "alpha")
        try join(beta, Self.betaAddress, port: "beta")
    }

    /// The element of a definition for the guest's interface.
    static var element: String {
        """
        <interface type="bridge"><mac address="\(guestMAC)"/>
        <source bridge="\(bridge)"/><model type="virtio"/></interface>
        """
    }

    /// The switch's port behind which it expects the guest; `nil` when it does not know.
    func portOfGuest() throws -> String? {
        let table = try switching.bridge(["fdb", "show", "br", Self.switchName])
        let line = table.split(separator: "\n").first { $0.hasPrefix(Self.guestMAC) }
        let words = line.map { $0.split(separator: " ") } ?? []
        guard let index = words.firstIndex(of: "dev"), index + 1 < words.count else { return nil }
        return String(words[index + 1])
    }

    private func join(
        _ host: NetworkNamespace, _ address: String, port: String
    ) throws(LivemigError) {
        try Self.addBridge(Self.bridge, address, in: host)
        try switching.ip([
            "link", "add", port, "type", "veth", "peer", "name", "uplink", "netns", host.name,
        ])
        try switching.ip(["link", "set", port, "master", Self.switchName, "up"])
        try host.ip(["link", "set", "uplink", "master", Self.bridge, "up"])
    }

    private static func addBridge(
        _ name: String, _ address: String, in namespace: NetworkNamespace
    ) throws(LivemigError) {
        try namespace.ip(["link", "add", name, "type", "bridge"])
        try namespace.ip(["address", "add", address + "/24", "dev", name])
        try namespace.ip(["link", "set", name, "up"])
    }
}

/// Hears reverse ARP that reaches a switch: QEMU announces a guest by it, and no guest sends it by
/// itself (net/announce.c, `announce_self_create`).
final class AnnouncementListener {
    private let socket: OwnedDescriptor

    /// Ethernet's number of reverse ARP (RFC 903).
    private static let reverseARP: UInt16 = 0x8035

    /// Listens from now on.
    init(in namespace: NetworkNamespace) throws(LivemigError) {
        let number = try namespace.run { () throws(LivemigError) in
            try SystemCall.check("socket", as: .permission) {
                Glibc.socket(
                    AF_PACKET, CInt(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue),
                    CInt(Self.reverseARP.bigEndian))
            }
        }
        socket = OwnedDescriptor(owning: number)
    }

    /// Waits for an announcement of an address.
    func hears(_ mac: String, within limit: Duration) throws(LivemigError) -> Bool {
        let deadline = MonotonicTime.now + limit
        while deadline > .now {
            let ready = try Poll.wait([.init(socket.number)], timeout: deadline - .now)
            if !ready.isEmpty, try nextSender() == mac { return true }
        }
        return false
    }

    private func nextSender() throws(LivemigError) -> String {
        let frame = try DescriptorIO.readAvailable(upTo: 2048, from: socket.number)
        return frame.dropFirst(6).prefix(6)
            .map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}
