import Glibc
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel
import Testing

@testable import SyntheticVM

/// The reference guest as a process, under the contract that QEMU is under.
@Suite(.serialized) struct SyntheticMachineTests {
    static let busy = "fill=16MiB ws=8MiB rate=200MiB/s writers=2 check=1"

    /// Breaks when a guest does not run at power-on, runs on after stop, or its memory is not what
    /// its writers say.
    @Test func runsStopsAndIsClean() throws {
        let fixture = try GuestFixture(Self.busy)
        defer { fixture.end() }
        let machine = try fixture.start()
        #expect(try machine.status() == .running)
        run(milliseconds: 300)
        try machine.stop()
        #expect(try machine.status() == .paused)
        let stopped = try machine.steps()
        // 200 MiB/s for 0.3 s are 15360 steps; a tenth proves that it ran at all on a busy machine.
        #expect(stopped.steps.reduce(0, +) > 1500)
        #expect(stopped.beats > 30)
        let before = try fixture.heartbeat()
        run(milliseconds: 30)
        #expect(try machine.steps() == stopped)
        #expect(try fixture.heartbeat() == before)
        #expect(before?.count == stopped.beats)
        #expect(try machine.verify().count == 0)
        try machine.resume()
        run(milliseconds: 50)
        #expect(try machine.steps().beats > stopped.beats)
        #expect(try machine.verify().count == 0)
        #expect(try machine.status() == .running)
    }

    /// Breaks when the writers are faster than the rate says, or idle guests write.
    @Test func keepsItsRate() throws {
        let fixture = try GuestFixture("fill=16MiB ws=8MiB rate=8MiB/s writers=2")
        defer { fixture.end() }
        let machine = try fixture.start()
        let start = MonotonicTime.now
        let first = try machine.steps().steps.reduce(0, +)
        run(milliseconds: 400)
        let second = try machine.steps().steps.reduce(0, +)
        let rate = Double(second - first) * 4096 / start.elapsed.seconds
        #expect(rate < 8.8e6 && rate > 4e6)
        try machine.setRate(.idle)
        run(milliseconds: 10)
        let idle = try machine.steps()
        run(milliseconds: 50)
        #expect(try machine.steps().steps == idle.steps)
        #expect(try machine.steps().beats > idle.beats)
    }

    /// Breaks when the check misses a changed page or blames another one: in the working set, in
    /// the rest of the fill, and in memory that was never filled.
    @Test(arguments: [1, 2048, 2049, 4096, 4097, 8191]) func reportsPokedPage(page: Int) throws {
        let fixture = try GuestFixture(Self.busy)
        defer { fixture.end() }
        let machine = try fixture.start()
        try machine.stop()
        try machine.poke(page: page)
        #expect(try machine.verify() == .init(count: 1, first: [page]))
    }

    /// Breaks when a guest that moved as a move does it (RAM, then state) is not the same guest.
    @Test func movesToAnotherProcess() throws {
        let source = try GuestFixture(Self.busy)
        defer { source.end() }
        let target = try GuestFixture(Self.busy)
        let from = try source.start()
        let to = try target.start(.incoming)
        #expect(try to.status() == .incoming)
        run(milliseconds: 100)
        try from.stop()
        try target.copyMemory(from: source)
        let state = try from.saveState()
        #expect(state.count == 256 << 10)
        try to.load(state)
        #expect(try to.status() == .paused)
        #expect(try to.steps() == from.steps())
        #expect(try to.verify().count == 0)
        let moved = try from.steps()
        from.destroy()
        try to.resume()
        run(milliseconds: 100)
        #expect(try to.status() == .running)
        #expect(try to.verify().count == 0)
        #expect(try to.steps().beats > moved.beats)
        #expect(try to.steps().steps[0] > moved.steps[0])
    }

    /// Breaks when pages that were copied too early go unnoticed, or sound ones are blamed.
    @Test func reportsStalePages() throws {
        let source = try GuestFixture("fill=8MiB ws=4MiB content=random zero=0 rate=200MiB/s")
        defer { source.end() }
        let target = try GuestFixture("fill=8MiB ws=4MiB content=random zero=0 rate=200MiB/s")
        let from = try source.start()
        let to = try target.start(.incoming)
        try from.stop()
        let early = try target.copyOfPage(700, in: source)
        // The working set has 1024 pages: after as many steps each was rewritten.
        let steps = try from.steps().steps[0]
        try from.resume()
        while try from.steps().steps[0] < steps + 1024 { run(milliseconds: 10) }
        try from.stop()
        try target.copyMemory(from: source)
        try target.set(page: 700, to: early)
        try to.load(try from.saveState())
        #expect(try to.verify() == .init(count: 1, first: [700]))
    }

    /// Breaks when the guest resumes after a state was saved is another one than before.
    @Test func sourceResumesAfterSave() throws {
        let fixture = try GuestFixture(Self.busy)
        defer { fixture.end() }
        let machine = try fixture.start()
        let error = #expect(throws: LivemigError.self) { _ = try machine.saveState() }
        #expect(error?.code == .vmState)
        try machine.stop()
        let state = try machine.saveState()
        #expect(try machine.saveState() == state)
        try machine.resume()
        run(milliseconds: 30)
        #expect(try machine.verify().count == 0)
    }

    /// Breaks when a save that nobody reads blocks the guest: it must resume on the source.
    @Test func saveGivesUpAtTheDeadline() throws {
        let fixture = try GuestFixture(Self.busy + " state=4MiB")
        defer { fixture.end() }
        let machine = try fixture.start()
        try machine.stop()
        let (near, far) = try UnixSocket.pair(.stream).release()
        let reader = OwnedDescriptor(owning: near)
        let error = #expect(throws: LivemigError.self) {
            try machine.saveDeviceState(
                to: OwnedDescriptor(owning: far), deadline: .now + .milliseconds(100))
        }
        #expect(error?.code == .timeout)
        _ = reader.number
        try machine.resume()
        #expect(try machine.status() == .running)
    }

    /// Breaks when a guest that powered itself off looks like any other, or can be resumed or saved.
    @Test func powersOff() throws {
        let fixture = try GuestFixture(Self.busy)
        defer { fixture.end() }
        let machine = try fixture.start()
        try machine.powerOff()
        #expect(try machine.status() == .shutdown)
        let error = #expect(throws: LivemigError.self) { try machine.resume() }
        #expect(error?.code == .vmState)
        // As QEMU's: a move of it has nothing to move, which is no fault of the switchover's.
        let saved = #expect(throws: LivemigError.self) { _ = try machine.saveState() }
        #expect(saved?.code == .guestDown)
    }

    /// Breaks when the console does not tell the guest's story, or the beat does not grow by one.
    @Test func printsOnTheConsole() throws {
        let fixture = try GuestFixture(Self.busy)
        defer { fixture.end() }
        let machine = try fixture.start()
        run(milliseconds: 1300)
        let console = try UnixSocket.connect(fixture.folder.consoleSocket, .stream)
        try DescriptorIO.write(Array("verify\n".utf8), to: console.number)
        try expect("LIVEMIG-GUEST verify 0: \r\n", in: fixture)
        try DescriptorIO.write(Array("poweroff\n".utf8), to: console.number)
        try expect("LIVEMIG-GUEST heard: \"poweroff\"\r\n", in: fixture)
        _ = try machine.verify()
        let lines = try fixture.text(of: fixture.folder.consoleLog).split(separator: "\r\n")
        #expect(lines.first?.hasPrefix("LIVEMIG-GUEST ready fill=4096 ws=2048") == true)
        let beats = lines.filter { $0.hasPrefix("LIVEMIG-GUEST beat=") }
        #expect(beats.count >= 1)
        for (index, line) in beats.enumerated() {
            #expect(line.hasPrefix("LIVEMIG-GUEST beat=\(index + 1) "))
            #expect(line.hasSuffix(" corrupt=0"))
        }
    }

    private func expect(_ text: String, in fixture: GuestFixture) throws {
        let deadline = MonotonicTime.now + .seconds(5)
        while MonotonicTime.now < deadline {
            if try fixture.text(of: fixture.folder.consoleLog).contains(text) { return }
            run(milliseconds: 5)
        }
        Issue.record("the console never said \(text)")
    }
}

extension GuestFixture {
    func copyOfPage(_ number: Int, in other: GuestFixture) throws -> [UInt8] {
        try other.page(number)
    }

    func set(page: Int, to bytes: [UInt8]) throws {
        let descriptor = memory.descriptor.number
        let count = unsafe pwrite(descriptor, bytes, bytes.count, off_t(page * 4096))
        #expect(count == bytes.count)
    }
}
