import FrameTransport
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// A guest without an operating system: its firmware finds nothing to boot and waits.
enum IdleGuest {
    static func definition(_ devices: String) -> String {
        """
        <domain type="qemu"><name>guest</name>
        <uuid>7d3c8f7e-2f55-4a0a-9d0b-0f6f5b1c2d3e</uuid>
        <memory unit="MiB">64</memory><vcpu>1</vcpu>
        <os><type arch="x86_64" machine="q35">hvm</type></os>
        <devices>\(devices)</devices></domain>
        """
    }
}

extension TestHost {
    /// The next beat, which must continue where an earlier one was: time, disk log and memory.
    @discardableResult
    func expectProgress(since earlier: Beat) throws -> Beat {
        let beat = try nextBeat()
        #expect(beat.number > earlier.number)
        #expect(beat.corrupt == 0)
        if let log = earlier.log {
            #expect((beat.log ?? 0) > log)
        }
        return beat
    }
}

extension TwoHosts {
    /// Powers the guest off from inside and waits until it has gone.
    /// - Returns: how many records it has written to its disk.
    func powerOff(on host: TestHost) throws -> Int {
        let line = try host.console("guest", type: "poweroff", until: "log closed=")
        try expectSoon(within: .seconds(10)) {
            try summary(on: host).state == .stopped
                && host.processes.allSatisfy { $0.contains(" serve ") }
        }
        return try #require(line.split(separator: "=").last.flatMap { Int($0) }, "\(line)")
    }

    /// Asks a source alone for a move, with nothing prepared on the destination.
    func startOutgoing(from source: TestHost, to destination: TestHost) throws {
        let agent = try source.agent()
        let name = try VMName("guest")
        let shown = try agent.request(ShowMachine(name: name), for: MachineMessage.self)
        let epoch = try #require(shown.summary.epoch.next)
        try agent.send(
            StartOutgoing(
                name: name, attempt: Attempt(migration: .random(), epoch: epoch), secret: 1,
                definition: StartOutgoing.checksum(of: shown.definition),
                peer: destination.peer, policy: .init()))
        _ = try agent.receive().decode(Moved.self)
    }
}
