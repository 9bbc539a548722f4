import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel
import Testing

@testable import SyntheticVM

/// Write tracking of a live guest through the preload library, as for QEMU.
///
/// Needs root or the permission to use userfaultfd, and Linux 6.7.
@Suite(.serialized) struct GuestTrackingTests {
    private static func track(_ fixture: GuestFixture) throws -> DirtyTracker {
        try DirtyTracker(
            fixture.folder.startTracking(of: fixture.memory),
            pageCount: fixture.memory.pageCount)
    }

    private static func harvest(
        _ tracker: inout DirtyTracker, _ fixture: GuestFixture
    ) throws -> PageBitmap {
        var pages = PageBitmap(pageCount: fixture.memory.pageCount)
        try tracker.harvest(into: &pages)
        return pages
    }

    /// Breaks when a harvest of a stopped guest reports more or less than what was written.
    @Test func harvestsExactlyWhatTheGuestWrote() throws {
        let fixture = try GuestFixture("fill=8MiB ws=4MiB rate=0")
        defer { fixture.end() }
        let machine = try fixture.start()
        try machine.stop()
        var tracker = try Self.track(fixture)
        _ = try Self.harvest(&tracker, fixture)
        #expect(try Self.harvest(&tracker, fixture).isEmpty)
        try machine.poke(page: 5)
        try machine.poke(page: 7000)
        #expect(try Self.harvest(&tracker, fixture).runs == [5..<6, 7000..<7001])
        #expect(try machine.verify().count == 2)
        #expect(try Self.harvest(&tracker, fixture).isEmpty)
        try machine.resume()
        run(milliseconds: 10)
        try machine.stop()
        #expect(try Self.harvest(&tracker, fixture).runs == [0..<1])
    }

    /// Breaks when one page that a running guest writes is missed by all harvests: the copy made
    /// from harvests alone must be the guest.
    @Test(arguments: ["rate=100MiB/s", "rate=max"]) func liveCopyIsComplete(rate: String) throws {
        let workload = "fill=8MiB ws=4MiB writers=2 \(rate)"
        let source = try GuestFixture(workload, memory: .mebibytes(16))
        defer { source.end() }
        let target = try GuestFixture(workload, memory: .mebibytes(16))
        let from = try source.start()
        let to = try target.start(.incoming)
        var tracker = try Self.track(source)
        var dirty = PageBitmap(pageCount: source.memory.pageCount)
        try tracker.harvest(into: &dirty)
        try target.copyMemory(from: source)
        for _ in 0..<40 {
            dirty.removeAll()
            try tracker.harvest(into: &dirty)
            try target.copy(dirty, from: source)
        }
        try from.stop()
        dirty.removeAll()
        try tracker.harvest(into: &dirty)
        #expect(!dirty.isEmpty)
        try target.copy(dirty, from: source)
        try to.load(try from.saveState())
        #expect(try Self.harvest(&tracker, source).isEmpty)
        #expect(try to.verify().count == 0)
        from.destroy()
        try to.resume()
        run(milliseconds: 50)
        #expect(try to.verify().count == 0)
    }

    /// Breaks when tracking cannot be taken up again after the agent that tracked has gone.
    @Test func tracksAgainAfterTheTrackerHasGone() throws {
        let fixture = try GuestFixture("fill=1MiB ws=256KiB rate=0", memory: .mebibytes(4))
        defer { fixture.end() }
        let machine = try fixture.start()
        try machine.stop()
        for page in [3, 9] {
            var tracker = try Self.track(fixture)
            _ = try Self.harvest(&tracker, fixture)
            try machine.poke(page: page)
            #expect(try Self.harvest(&tracker, fixture).runs == [page..<page + 1])
        }
    }

    /// Breaks when a second tracker takes the first one's writes away without an error.
    @Test func onlyOneTracksAtATime() throws {
        let fixture = try GuestFixture("fill=1MiB ws=256KiB", memory: .mebibytes(4))
        defer { fixture.end() }
        _ = try fixture.start()
        var tracker = try Self.track(fixture)
        let error = #expect(throws: LivemigError.self) { _ = try Self.track(fixture) }
        #expect(error?.code == .preload)
        _ = try Self.harvest(&tracker, fixture)
    }

    /// Breaks when a guest that has ended looks like one that writes nothing.
    @Test func failsWhenTheGuestHasEnded() throws {
        let fixture = try GuestFixture("fill=1MiB ws=256KiB rate=max", memory: .mebibytes(4))
        defer { fixture.end() }
        let machine = try fixture.start()
        var tracker = try Self.track(fixture)
        _ = try Self.harvest(&tracker, fixture)
        machine.destroy()
        let error = #expect(throws: LivemigError.self) { _ = try Self.harvest(&tracker, fixture) }
        #expect(error?.code == .guestDown)
    }
}
