import CLinux
import Glibc
import LinuxSystem
import MigrationModel

/// A tap device on a bridge, which goes away with its last descriptor.
final class TapDevice {
    /// The device, to be handed to QEMU.
    let descriptor: OwnedDescriptor

    /// Opens a tap device and attaches it to a bridge.
    /// - Throws: `E-NET` naming the bridge when it is none, or when the system refuses.
    init(on bridge: String) throws(LivemigError) {
        guard unsafe clinux_is_bridge(bridge) == 1 else {
            throw LivemigError(
                .network, "\(bridge.escaped()) is not a bridge of this host",
                fix: "create it: ip link add \(bridge) type bridge")
        }
        var name = [CChar](repeating: 0, count: Int(clinux_interface_name_size))
        for (index, byte) in "lm%d".utf8.enumerated() { name[index] = CChar(bitPattern: byte) }
        descriptor = OwnedDescriptor(
            owning: try SystemCall.checkNegated("TUNSETIFF", at: "/dev/net/tun", as: .network) {
                unsafe clinux_tap_open(&name)
            })
        try SystemCall.checkNegated("SIOCBRADDIF", at: bridge, as: .network) {
            unsafe clinux_bridge_attach(bridge, name)
        }
    }
}
