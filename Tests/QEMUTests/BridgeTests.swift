import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel
import Testing

@testable import QEMU

extension QEMUTests {
    /// Needs root, as bridges do.
    @Suite("Bridges")
    struct BridgeTests {
        /// Breaks when the guest's interface does not become a port of the bridge.
        @Test("A bridged interface becomes a port of the bridge and goes away with the guest")
        func port() throws {
            let bridge = try Bridge("lmtest0")
            var definition = try Guest.definition()
            definition.interfaces = [
                .init(attachment: .user, mac: "52:54:00:00:00:02"),
                .init(attachment: .bridge(bridge.name), mac: "52:54:00:00:00:01"),
            ]
            let guest = try Guest(definition)
            #expect(bridge.ports.count == 1)
            guest.machine.destroy()
            #expect(bridge.ports.isEmpty)
        }

        /// Breaks when an interface without a bridge starts silently unconnected.
        @Test("An interface that is no bridge is refused by name")
        func noBridge() throws {
            var definition = try Guest.definition()
            definition.interfaces = [.init(attachment: .bridge("lo"), mac: "52:54:00:00:00:01")]
            let error = failure { _ = try Guest(definition) }
            #expect(error?.code == .network)
            #expect(error?.what.contains("lo") == true)
        }

        /// Breaks when a guest's port pulls the bridge, and the host's own traffic, down to the MTU of
        /// a new tap device, or gives the bridge another address, which the host's peers know.
        @Test(
            "A port changes neither the MTU nor the address of its bridge", arguments: [1280, 9000])
        func harmlessPort(mtu: Int) throws {
            let bridge = try Bridge("lmtest2")
            try bridge.addPort("lmtest2p", mtu: mtu, address: "f2:00:00:00:00:01")
            #expect(try bridge.value("mtu") == "\(mtu)")
            #expect(try bridge.value("address") == "f2:00:00:00:00:01")
            for mac in ["02:00:00:00:00:01", "fe:00:00:00:00:01"] {
                let tap = try TapDevice(on: bridge.name, for: mac)
                defer { withExtendedLifetime(tap) {} }
                #expect(bridge.ports.count == 2)
                #expect(try bridge.value("mtu") == "\(mtu)")
                #expect(try bridge.value("address") == "f2:00:00:00:00:01")
                let port = try #require(bridge.ports.first { $0 != "lmtest2p" })
                #expect(try bridge.value("mtu", of: port) == "\(mtu)")
                // A port with the guest's own address would keep the bridge from finding the guest.
                #expect(try bridge.value("address", of: port) != mac)
            }
        }

        /// Breaks when a guest comes to a host whose bridge went away, was made anew, or was set down
        /// meanwhile, and is cut off without a word.
        @Test("A port that has lost its bridge is attached again, or the guest is refused")
        func lostBridge() throws {
            let bridge = try Bridge("lmtest5")
            let tap = try TapDevice(on: bridge.name, for: "52:54:00:00:00:01")
            defer { withExtendedLifetime(tap) {} }
            try tap.port.requireAttached()
            try bridge.release(tap.port.name)
            try tap.port.requireAttached()
            #expect(bridge.ports == [tap.port.name])
            try bridge.set("down")
            let down = failure { try tap.port.requireAttached() }
            #expect(down?.code == .network && down?.what.contains("set down") == true)
            try bridge.delete()
            let gone = failure { try tap.port.requireAttached() }
            #expect(gone?.code == .network, "\(gone as Any)")
            #expect(gone?.what == "no bridge lmtest5 on this host any more")
            let anew = try Bridge("lmtest5")
            try tap.port.requireAttached()
            #expect(anew.ports == [tap.port.name])
        }

        /// Breaks when what is no bridge is not called by what it is.
        @Test("A name says what it stands for") func names() throws {
            let bridge = try Bridge("lmtest3")
            try bridge.addPort("lmtest3p", mtu: 1500, address: "f2:00:00:00:00:02")
            try HostBridge(bridge.name).requireRoom()
            let veth = failure { try HostBridge("lmtest3p").requireRoom() }
            #expect(veth?.what.contains("an interface of kind veth") == true, "\(veth as Any)")
            let none = failure { try HostBridge("lmnone").requireRoom() }
            #expect(none?.what == "no bridge lmnone on this host")
            #expect(HostBridge("lmtest3p").facts == nil && HostBridge("lmnone").facts == nil)
        }

        /// Breaks when a bridge is not described as it is.
        @Test("A bridge is described as it is") func facts() throws {
            let bridge = try Bridge("lmtest4")
            let plain = try #require(HostBridge(bridge.name).facts)
            #expect(plain == BridgeFacts(name: "lmtest4", mtu: 1500))
            try bridge.set("type", "bridge", "stp_state", "1", "forward_delay", "250")
            try bridge.set("mtu", "9000")
            try bridge.set("down")
            let changed = BridgeFacts(
                name: "lmtest4", mtu: 9000, isUp: false, usesSpanningTree: true,
                forwardDelay: .milliseconds(2500))
            #expect(HostBridge(bridge.name).facts == changed)
        }

        /// Breaks when a port that keeps the guest out passes for one that lets it in, the port of
        /// another host's copy is taken for the guest's, or the bridge is believed to know of a guest
        /// that it has not heard of.
        @Test("A guest's port is found, and what the bridge does with it") func guestPort() throws {
            let bridge = try Bridge("lmtest5")
            let mac = "52:54:00:00:0A:01"
            var definition = try Guest.definition()
            definition.interfaces = [
                .init(attachment: .user, mac: "52:54:00:00:0A:02"),
                .init(attachment: .bridge(bridge.name), mac: mac),
            ]
            #expect(WatchedPort.ports(of: definition).isEmpty)
            let tap = try TapDevice(on: bridge.name, for: mac)
            let port = try #require(WatchedPort.ports(of: definition).first)
            #expect(port.mac == mac.lowercased() && bridge.ports == [port.name])
            #expect(port.state == .forwarding && port.learns && !port.isGuestKnown)
            // Ten bytes of virtio header, then broadcast, the guest's address and a type.
            var frame = [UInt8](repeating: 0, count: 10 + 60)
            frame.replaceSubrange(10..<16, with: repeatElement(0xFF, count: 6))
            frame.replaceSubrange(16..<22, with: [0x52, 0x54, 0, 0, 0x0A, 1])
            try DescriptorIO.write(frame, to: tap.descriptor.number)
            let deadline = MonotonicTime.now + .seconds(5)
            while !port.isGuestKnown, deadline > .now { usleep(1_000) }
            #expect(port.isGuestKnown)

            let earlier = WatchedPort.names(atBridgesOf: definition)
            try bridge.set("type", "bridge", "stp_state", "1", "forward_delay", "200")
            let copy = try TapDevice(on: bridge.name, for: mac)
            defer { withExtendedLifetime((tap, copy)) {} }
            let late = try #require(WatchedPort.ports(of: definition, besides: earlier).first)
            #expect(late.name != port.name && late.state == .listening && !late.isGuestKnown)
            try bridge.set("down")
            #expect(late.state == .disabled)
            #expect(WatchedPort(bridge: "lmnone", name: late.name, mac: mac).state == nil)
        }

        /// Breaks when a record of the forwarding database is read as another port's or another
        /// address's.
        @Test("The forwarding database is read as the kernel writes it") func table() {
            let record: [UInt8] = [0x52, 0x54, 0, 0, 0, 1, 3, 0, 9, 0, 0, 0, 1, 0, 0, 0]
            var own = record
            (own[6], own[7]) = (4, 1)
            var other = record
            other[5] = 2
            let table = own + other + record
            #expect(ForwardingTable.ports(of: "52:54:00:00:00:01", in: table) == [0x103])
            #expect(ForwardingTable.ports(of: "52:54:00:00:00:03", in: table).isEmpty)
            #expect(ForwardingTable.ports(of: "52:54", in: table).isEmpty)
            #expect(
                ForwardingTable.ports(of: "52:54:00:00:00:01", in: Array(record.dropLast())).isEmpty
            )
            #expect(ForwardingTable.ports(of: "52:54:00:00:00:01", in: []).isEmpty)
        }

        /// Breaks when a destination tells the network that the guest is there before it is
        /// decided: switches would send its packets to a guest that does not run.
        @Test("A destination is silent until it is resumed, and announces the guest then")
        func announcement() throws {
            let bridge = try Bridge("lmtest1")
            var definition = try Guest.definition()
            definition.interfaces = [
                .init(attachment: .bridge(bridge.name), mac: "52:54:00:00:00:01")
            ]
            let source = try Guest(definition)
            let sourcePort = try #require(bridge.ports.first)
            let destination = try Guest(definition, .incoming)
            let port = try #require(bridge.ports.first { $0 != sourcePort })
            try source.machine.stop()
            let stream = try source.saved()
            try destination.copyMemory(of: source)
            try destination.load(stream)
            // Longer than QEMU's whole sequence of announcements.
            usleep(1_500_000)
            #expect(try bridge.packets(from: port) == 0)
            try destination.machine.resume()
            destination.machine.announce()
            let deadline = MonotonicTime.now + .seconds(5)
            while try bridge.packets(from: port) < 5, deadline > .now { usleep(10_000) }
            #expect(try bridge.packets(from: port) >= 5)
        }
    }
}

/// A bridge of the test's own, deleted with it.
private final class Bridge {
    let name: String
    private var cables: [String] = []
    private var isThere = true

    init(_ name: String) throws {
        self.name = name
        try Self.ip("link", "add", name, "type", "bridge")
        try Self.ip("link", "set", name, "up")
    }

    deinit {
        for cable in cables { try? Self.ip("link", "delete", cable) }
        if isThere { try? Self.ip("link", "delete", name) }
    }

    var ports: [String] {
        ((try? FolderListing.names(in: "/sys/class/net/\(name)/brif")) ?? []).sorted()
    }

    /// How many packets the hypervisor has put on a port.
    func packets(from port: String) throws -> Int {
        let file = "/sys/class/net/\(port)/statistics/rx_packets"
        let descriptor = try OwnedDescriptor.open(file, O_RDONLY)
        let text = String(decoding: try Stream.drain(descriptor.release()), as: UTF8.self)
        return try #require(Int(text.prefix { $0 != "\n" }))
    }

    /// Makes one end of a cable a port.
    func addPort(_ port: String, mtu: Int, address: String) throws {
        try Self.ip("link", "add", port, "address", address, "type", "veth", "peer", port + "q")
        try Self.ip("link", "set", port, "mtu", String(mtu))
        try Self.ip("link", "set", port, "master", name, "up")
        cables.append(port)
    }

    /// Takes a port off the bridge.
    func release(_ port: String) throws { try Self.ip("link", "set", port, "nomaster") }

    func delete() throws {
        try Self.ip("link", "delete", name)
        isThere = false
    }

    func set(_ options: String...) throws { try Self.ip(["link", "set", name] + options) }

    /// What the kernel says of the bridge or a port.
    func value(_ file: String, of interface: String? = nil) throws -> String {
        let path = "/sys/class/net/\(interface ?? name)/\(file)"
        let descriptor = try OwnedDescriptor.open(path, O_RDONLY)
        let text = String(decoding: try Stream.drain(descriptor.release()), as: UTF8.self)
        return String(text.prefix { $0 != "\n" })
    }

    private static func ip(_ arguments: String...) throws { try ip(arguments) }

    private static func ip(_ arguments: [String]) throws {
        let process = try ChildProcess(.init("/sbin/ip", arguments))
        try #require(process.wait() == 0, "ip \(arguments.joined(separator: " "))")
    }
}
