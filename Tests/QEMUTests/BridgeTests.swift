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

    init(_ name: String) throws {
        self.name = name
        try Self.ip("link", "add", name, "type", "bridge")
        try Self.ip("link", "set", name, "up")
    }

    deinit { try? Self.ip("link", "delete", name) }

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

    private static func ip(_ arguments: String...) throws {
        let process = try ChildProcess(.init("/sbin/ip", arguments))
        try #require(process.wait() == 0, "ip \(arguments.joined(separator: " "))")
    }
}
