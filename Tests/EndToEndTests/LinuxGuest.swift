import FrameTransport
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// The error that a piece of a test ends with; `nil` when it succeeds.
func failure(_ body: () throws -> Void) -> LivemigError? {
    do {
        try body()
        return nil
    } catch let error as LivemigError {
        return error
    } catch {
        return LivemigError(.internal, "\(error)")
    }
}

extension TestHost {
    /// What the host's agent says of the guest.
    func shown() throws -> MachineSummary {
        try agent().request(
            ShowMachine(name: try VMName("guest")), for: MachineMessage.self
        ).summary
    }

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

    /// Powers the guest off from inside and waits until it has gone.
    /// - Returns: how many records it has written to its disk.
    func powerOff() throws -> Int {
        let line = try console("guest", type: "poweroff", until: "log closed=")
        let deadline = MonotonicTime.now + .seconds(10)
        while try shown().state != .stopped || !processes.isEmpty {
            guard deadline > .now else {
                throw LivemigError(.timeout, "the guest does not power off", at: log)
            }
            usleep(20_000)
        }
        return try #require(line.split(separator: "=").last.flatMap { Int($0) }, "\(line)")
    }
}

extension TwoHosts {
    /// Asks a source alone for a move, with nothing prepared on the destination.
    func startOutgoing(from source: TestHost, to destination: TestHost) throws {
        let agent = try source.agent()
        let epoch = try #require(try source.shown().epoch.next)
        try agent.send(
            StartOutgoing(
                name: try VMName("guest"),
                attempt: Attempt(migration: .random(), epoch: epoch), secret: 1,
                peer: destination.peer, policy: .init()))
        _ = try agent.receive().decode(Moved.self)
    }
}
