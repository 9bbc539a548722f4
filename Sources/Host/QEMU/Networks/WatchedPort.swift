import LinuxSystem
public import MigrationModel

/// The port of a bridge of this host that an interface of a guest is at.
///
/// Found by the address that `TapDevice` gives to the tap: guardians that started earlier, or of
/// another build, need not be asked.
public struct WatchedPort: Hashable, Sendable {
    /// The bridge's name.
    public let bridge: String
    /// The tap device's name.
    public let name: String
    /// The address of the guest's interface, in lower case.
    public let mac: String

    /// The ports of a guest's interfaces, for those that are on a bridge and there.
    ///
    /// - Parameters:
    ///   - definition: the guest.
    ///   - earlier: ports that were there before the guest was, which may be of the same guest on
    ///     another host that shares the bridge.
    public static func ports(
        of definition: VMDefinition, besides earlier: Set<String> = []
    ) -> [WatchedPort] {
        definition.interfaces.compactMap { interface in
            guard case .bridge(let bridge) = interface.attachment else { return nil }
            let address = text(TapDevice.address(behind: interface.mac))
            let name = HostBridge(bridge).ports.first {
                !earlier.contains($0) && InterfaceFile.text("address", of: $0) == address
            }
            return name.map {
                WatchedPort(bridge: bridge, name: $0, mac: interface.mac.lowercased())
            }
        }
    }

    /// The names of all ports of a guest's bridges.
    public static func names(atBridgesOf definition: VMDefinition) -> Set<String> {
        var names: Set<String> = []
        for case .bridge(let bridge) in definition.interfaces.map(\.attachment) {
            names.formUnion(HostBridge(bridge).ports)
        }
        return names
    }

    /// What the bridge does with its packets; `nil` when it is no port of the bridge any more.
    public var state: PortState? {
        guard isOnBridge, let number = InterfaceFile.text("brport/state", of: name) else {
            return nil
        }
        return UInt8(number).flatMap { PortState(rawValue: $0) }
    }

    /// Attaches the device again, where the bridge was made anew or has lost it.
    /// - Returns: what the bridge does with its packets then.
    public func reattached() -> PortState? {
        _ = try? GuestPort(name, on: bridge)
        return state
    }

    /// Whether the bridge takes down what addresses it sees at the port.
    public var learns: Bool { InterfaceFile.text("brport/learning", of: name) == "1" }

    /// Whether the bridge knows that the guest is behind the port.
    public var isGuestKnown: Bool {
        guard isOnBridge, let text = InterfaceFile.text("brport/port_no", of: name),
            let number = UInt16(text.dropFirst(2), radix: 16),
            let table = InterfaceFile.bytes(
                "brforward", of: bridge, limit: ForwardingTable.sizeLimit)
        else { return false }
        return ForwardingTable.ports(of: mac, in: table).contains(number)
    }

    private var isOnBridge: Bool {
        InterfaceFile.text("brif/\(name)/state", of: bridge) != nil
    }

    private static func text(_ address: [UInt8]) -> String {
        address.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}

/// A bridge's forwarding database as the kernel hands it out: records of 16 bytes
/// (linux/if_bridge.h, `struct __fdb_entry`).
enum ForwardingTable {
    private static let recordSize = 16
    /// How much of it is read: 65 536 records.
    static let sizeLimit = 65_536 * recordSize

    /// The numbers of the ports that an address was seen at.
    static func ports(of mac: String, in bytes: [UInt8]) -> Set<UInt16> {
        let address = mac.split(separator: ":").compactMap { UInt8($0, radix: 16) }
        guard address.count == 6 else { return [] }
        var ports: Set<UInt16> = []
        for start in stride(from: 0, through: bytes.count - recordSize, by: recordSize) {
            let record = bytes[start..<start + recordSize]
            let isLocal = record[start + 7] != 0
            guard !isLocal, record.starts(with: address) else { continue }
            // The number's upper byte came to the record later.
            ports.insert(UInt16(record[start + 6]) | UInt16(record[start + 12]) << 8)
        }
        return ports
    }
}
