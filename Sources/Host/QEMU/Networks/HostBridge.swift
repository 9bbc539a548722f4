import CLinux
import Glibc
import LinuxSystem
public import MigrationModel

/// A bridge of this host that guests are to be attached to.
public struct HostBridge: Sendable {
    /// Its name.
    public let name: String

    /// How many ports a bridge has at most (net/bridge/br_private.h, `BR_MAX_PORTS`, without 0).
    static let portLimit = 1023

    /// Names a bridge, which need not exist.
    public init(_ name: String) { self.name = name }

    /// What a guest's network depends on; `nil` when it is no bridge.
    public var facts: BridgeFacts? {
        guard isBridge else { return nil }
        let isFiltering = setting("vlan_filtering") ?? 0 != 0
        return BridgeFacts(
            name: name, mtu: UInt32(clamping: unsafe clinux_interface_mtu(name)),
            isUp: unsafe clinux_interface_is_up(name) == 1,
            vlan: isFiltering ? UInt16(clamping: setting("default_pvid") ?? 0) : nil,
            usesSpanningTree: setting("stp_state") ?? 0 != 0,
            forwardDelay: .milliseconds(10 * min(max(0, setting("forward_delay") ?? 1500), 6000)))
    }

    /// Insists that a guest can be attached.
    /// - Throws: `E-NET`, saying what the name stands for where it is no bridge.
    public func requireRoom() throws(LivemigError) {
        guard isBridge else { throw refusal }
        let count = ports.count
        guard count < Self.portLimit else {
            throw LivemigError(
                .network, "bridge \(name) has \(count) ports, and takes no more",
                fix: "use another bridge for some of the guests")
        }
    }

    /// Why a guest cannot be on it any more.
    func absence() -> LivemigError {
        var error = refusal
        error.what += " any more"
        return error
    }

    /// The names of its ports.
    var ports: [String] {
        (try? FolderListing.names(in: "/sys/class/net/\(name)/brif"))?.sorted() ?? []
    }

    private var isBridge: Bool { unsafe clinux_is_bridge(name) == 1 }

    private func setting(_ file: String) -> Int? {
        InterfaceFile.text("bridge/\(file)", of: name).flatMap { Int($0) }
    }

    private var refusal: LivemigError {
        var driver = [CChar](repeating: 0, count: Int(clinux_driver_name_size))
        let exists = unsafe clinux_interface_mtu(name) >= 0
        guard exists else {
            return LivemigError(
                .network, "no bridge \(name) on this host",
                fix: "create it: ip link add \(name) type bridge")
        }
        let known = unsafe clinux_interface_driver(name, &driver) == 0
        let text = String(
            decoding: driver.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let kind =
            switch (known, text) {
            case (true, "openvswitch"): "a bridge of Open vSwitch"
            case (true, let text) where !text.isEmpty: "an interface of kind \(text)"
            default: "an interface"
            }
        return LivemigError(
            .network, "\(name) is \(kind) of this host, and not a bridge of the kernel",
            fix: "name a bridge (ip link add NAME type bridge), and make the interface its port")
    }
}
