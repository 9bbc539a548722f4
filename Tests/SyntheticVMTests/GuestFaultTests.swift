import Glibc
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel
import Testing

@testable import SyntheticVM

/// What a destination does wrong, for real, and a driver that goes away.
@Suite(.serialized) struct GuestFaultTests {
    static let quiet = "fill=1MiB ws=256KiB state=64KiB"

    private func savedState() throws -> [UInt8] {
        let fixture = try GuestFixture(Self.quiet, memory: .mebibytes(4))
        defer { fixture.end() }
        let machine = try fixture.start()
        try machine.stop()
        return try machine.saveState()
    }

    private func incoming(_ faults: String = "") throws -> (GuestFixture, SyntheticMachine) {
        let fixture = try GuestFixture(Self.quiet + " " + faults, memory: .mebibytes(4))
        return (fixture, try fixture.start(.incoming))
    }

    /// How a device state is spoiled on its way.
    enum Damage: CaseIterable {
        case empty, truncated, oversized, flipped

        func apply(to state: [UInt8]) -> [UInt8] {
            switch self {
            case .empty: []
            case .truncated: state.dropLast(5)
            case .oversized: state + [0]
            case .flipped: state.enumerated().map { $0 == 40_000 ? $1 ^ 4 : $1 }
            }
        }
    }

    /// Breaks when a spoiled state is loaded, or the refusal does not end the process with a
    /// reason.
    @Test(arguments: Damage.allCases) func refusesDamagedState(_ damage: Damage) throws {
        let (fixture, machine) = try incoming()
        defer { fixture.end() }
        let state = damage.apply(to: try savedState())
        let error = #expect(throws: LivemigError.self) { try machine.load(state) }
        #expect(error?.code == .destinationQEMU)
        #expect(error?.what.contains("device state refused") == true)
        #expect(machine.lastWords.contains("device state refused"))
        let next = #expect(throws: LivemigError.self) { _ = try machine.status() }
        #expect(next?.code == .guestDown)
        #expect(try Poll.wait([.init(machine.processHandle)], timeout: .zero) != [])
    }

    /// Breaks when a destination's faults cannot be provoked.
    @Test(arguments: ["refuse-load=1", "crash-at-load=1"]) func failsToLoad(_ fault: String) throws
    {
        let (fixture, machine) = try incoming(fault)
        defer { fixture.end() }
        let state = try savedState()
        let error = #expect(throws: LivemigError.self) { try machine.load(state) }
        #expect(error?.code == .destinationQEMU)
    }

    /// Breaks when a slow load is not slow, or its deadline is not kept.
    @Test func loadsSlowly() throws {
        let state = try savedState()
        let (slow, machine) = try incoming("slow-load=200")
        defer { slow.end() }
        let start = MonotonicTime.now
        try machine.load(state)
        #expect(start.elapsed >= .milliseconds(200))
        let (slower, other) = try incoming("slow-load=2000")
        defer { slower.end() }
        let error = #expect(throws: LivemigError.self) {
            try other.load(state, deadline: .now + .milliseconds(100))
        }
        #expect(error?.code == .timeout)
    }

    /// Breaks when a refused resume is no E-LOCK, or an instruction of the guest ran all the same.
    @Test func refusesToResume() throws {
        let state = try savedState()
        let (fixture, machine) = try incoming("refuse-resume=1")
        defer { fixture.end() }
        try machine.load(state)
        let before = try machine.steps()
        let error = #expect(throws: LivemigError.self) { try machine.resume() }
        #expect(error?.code == .lock)
        run(milliseconds: 20)
        #expect(try machine.status() == .paused)
        #expect(try machine.steps() == before)
    }

    /// Breaks when an incoming guest runs without a state, or a guest loads a second one.
    @Test func insistsOnOrder() throws {
        let state = try savedState()
        let (fixture, machine) = try incoming()
        defer { fixture.end() }
        #expect(throws: LivemigError.self) { try machine.resume() }
        #expect(try machine.status() == .incoming)
        try machine.load(state)
        let error = #expect(throws: LivemigError.self) { try machine.load(state) }
        #expect(error?.code == .vmState)
        #expect(try machine.status() == .paused)
    }

    /// Breaks when a guest ends, resumes or hangs because its driver vanished.
    @Test func outlivesItsDriver() throws {
        let fixture = try GuestFixture(Self.quiet, memory: .mebibytes(4))
        defer { fixture.end() }
        let pid = try abandonedGuest(fixture)
        defer { _ = kill(pid, SIGKILL) }
        for _ in 0..<3 {
            var client = try ControlClient(fixture.folder.monitorSocket)
            #expect(try client.call(.status, deadline: SyntheticMachine.soon) == "paused")
        }
        var client = try ControlClient(fixture.folder.monitorSocket)
        let nonsense = try UnixSocket.connect(fixture.folder.monitorSocket, .packets)
        try Packet.send(Array("nonsense".utf8), to: nonsense.number)
        #expect(try client.call(.resume, deadline: SyntheticMachine.soon) == "")
        #expect(try client.call(.verify, deadline: SyntheticMachine.soon) == "0: ")
    }

    /// A stopped guest whose driver is gone: the driver's end of the socket is closed.
    private func abandonedGuest(_ fixture: GuestFixture) throws -> Int32 {
        let machine = try GuestFixture.launcher().start(
            fixture.definition, memory: fixture.memory, folder: fixture.folder, mode: .powerOn)
        try machine.stop()
        return machine.process
    }

    /// Breaks when a program that cannot start is no E-QEMU, or its last words are lost.
    @Test func reportsAFailedStart() throws {
        let fixture = try GuestFixture(Self.quiet, memory: .mebibytes(4))
        defer { fixture.end() }
        let missing = SyntheticLauncher(program: "/nonexistent/guest", library: "/nonexistent.so")
        let error = #expect(throws: LivemigError.self) {
            _ = try missing.launch(
                fixture.definition, memory: fixture.memory, folder: fixture.folder, mode: .powerOn)
        }
        #expect(error?.code == .qemu)
        #expect(throws: LivemigError.self) { _ = try missing.version(for: fixture.definition) }
        #expect(try GuestFixture.launcher().version(for: fixture.definition) == "reference guest 1")
    }

    /// Breaks when a guest that was killed is not noticed at once, or is not reaped.
    @Test func noticesAKilledGuest() throws {
        let fixture = try GuestFixture(Self.quiet, memory: .mebibytes(4))
        defer { fixture.end() }
        let machine = try fixture.start()
        #expect(try Poll.wait([.init(machine.processHandle)], timeout: .zero) == [])
        _ = kill(machine.process, SIGKILL)
        #expect(try Poll.wait([.init(machine.processHandle)], timeout: .seconds(5)) != [])
        let error = #expect(throws: LivemigError.self) { _ = try machine.status() }
        #expect(error?.code == .guestDown)
        machine.destroy()
        machine.destroy()
        #expect(kill(machine.process, 0) == -1)
    }
}
