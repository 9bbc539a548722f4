import CLinux
import Glibc
import LinuxSystem
import MigrationModel

/// A tap device on a bridge, which goes away with its last descriptor.
///
/// A port can change its bridge, and with it the host's own network: a bridge without an MTU of its
/// own takes the smallest of its ports (net/bridge/br_if.c, `br_mtu_auto_adjust`), one without an
/// address of its own the lowest (net/bridge/br_stp_if.c, `br_stp_recalculate_bridge_id`). The
/// device therefore takes the bridge's MTU and a high address before it is attached.
final class TapDevice {
    /// The device, to be handed to QEMU.
    let descriptor: OwnedDescriptor

    /// Where it is attached.
    let port: GuestPort

    /// Opens a tap device and attaches it to a bridge.
    ///
    /// - Parameters:
    ///   - bridge: its name.
    ///   - mac: the guest's address at the other side.
    /// - Throws: `E-NET` naming the bridge when it is none or is full, or when the system refuses.
    init(on bridge: String, for mac: String) throws(LivemigError) {
        try HostBridge(bridge).requireRoom()
        var name = [CChar](repeating: 0, count: Int(clinux_interface_name_size))
        for (index, byte) in "lm%d".utf8.enumerated() { name[index] = CChar(bitPattern: byte) }
        descriptor = OwnedDescriptor(
            owning: try SystemCall.checkNegated("TUNSETIFF", at: "/dev/net/tun", as: .network) {
                unsafe clinux_tap_open(&name)
            })
        let address = Self.address(behind: mac)
        try SystemCall.checkNegated("SIOCSIFHWADDR", at: bridge, as: .network) {
            unsafe clinux_interface_set_address(name, address)
        }
        let text = String(
            decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        port = try GuestPort(text, on: bridge)
    }

    /// The device's own address: high, and not the guest's, which the bridge is to find behind it.
    static func address(behind mac: String) -> [UInt8] {
        var octets = mac.split(separator: ":").compactMap { UInt8($0, radix: 16) }
        guard octets.count == 6 else { return [0xFE, 0, 0, 0, 0, 1] }
        octets[0] = octets[0] == 0xFE ? 0xFA : 0xFE
        return octets
    }
}
