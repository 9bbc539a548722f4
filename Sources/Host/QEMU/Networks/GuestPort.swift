import CLinux
import LinuxSystem
import MigrationModel
import SystemPackage

/// A guest's place on a bridge: a tap device that is its port.
///
/// A bridge may go away, be made anew or be set down while a guest is on its way here.
struct GuestPort: Sendable {
    /// The bridge's name.
    let bridge: String
    /// The tap device's name.
    let name: String
    /// Whether the bridge was up when the device was attached.
    private let wasUp: Bool

    /// The largest MTU of a tap device: 65535 without an Ethernet header (drivers/net/tun.c).
    private static let largestMTU: CInt = 65535 - 14

    /// Attaches a tap device to a bridge, with the bridge's MTU.
    /// - Throws: `E-NET`.
    init(_ name: String, on bridge: String) throws(LivemigError) {
        (self.name, self.bridge) = (name, bridge)
        wasUp = HostBridge(bridge).facts?.isUp ?? false
        try attach(as: name)
    }

    /// Insists that the guest is on its bridge, and attaches it again where the bridge was made anew
    /// or has lost the port.
    /// - Throws: `E-NET` when the bridge has gone, is full, or has been set down.
    func requireAttached() throws(LivemigError) {
        guard let facts = HostBridge(bridge).facts else {
            throw HostBridge(bridge).absence()
        }
        try attach(as: name)
        guard facts.isUp || !wasUp else {
            throw LivemigError(
                .network, "bridge \(bridge) was set down while the guest was on its way",
                fix: "set it up there: ip link set \(bridge) up")
        }
    }

    /// A device that is a port already stays one: the kernel says so (net/bridge/br_if.c,
    /// `br_add_if`).
    private func attach(as name: String) throws(LivemigError) {
        let mtu = try SystemCall.checkNegated("SIOCGIFMTU", at: bridge, as: .network) {
            unsafe clinux_interface_mtu(bridge)
        }
        try SystemCall.checkNegated("SIOCSIFMTU", at: bridge, as: .network) {
            unsafe clinux_interface_set_mtu(name, min(mtu, Self.largestMTU))
        }
        let result = unsafe clinux_bridge_attach(bridge, name)
        guard result != -Errno.resourceBusy.rawValue else { return }
        try SystemCall.checkNegated("SIOCBRADDIF", at: bridge, as: .network) { result }
    }
}
