import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Guests that write to a disk while they are moved.
@Suite(.serialized) struct DiskMoveTests {
    private static let settings =
        "lm.fill=32 lm.ws=8 lm.rate=20 lm.content=mixed lm.beat=100 lm.disk=/dev/vda"

    // Breaks when a write is lost, doubled or reordered over a move, when both hosts write, or when
    // the destination reads an old copy of the image's tables.
    @Test(.timeLimit(.minutes(3)), arguments: Emulator.all)
    func logOnQcow2SurvivesTenMoves(_ emulator: Emulator) throws {
        try logSurvives(moves: 10, format: "qcow2", emulator)
    }

    // Breaks as above, where no format stands between the guest and the file.
    @Test(.timeLimit(.minutes(2)), arguments: Emulator.all)
    func logOnRawDiskSurvivesThreeMoves(_ emulator: Emulator) throws {
        try logSurvives(moves: 3, format: "raw", emulator)
    }

    private func logSurvives(moves: Int, format: String, _ emulator: Emulator) throws {
        let disk = try SharedDisk(format)
        let hosts = try TwoHosts()
        try hosts.startLinux(Self.settings, devices: disk.element() + emulator.element)
        var last = try hosts.alpha.nextBeat()
        var (here, there) = (hosts.alpha, hosts.beta)
        for _ in 0..<moves {
            let (report, _) = try hosts.move(from: here, to: there)
            #expect(report.sourceIsClean)
            (here, there) = (there, here)
            last = try here.expectProgress(since: last)
        }
        let closed = try hosts.powerOff(on: here)
        #expect(closed >= (last.log ?? .max))
        #expect(try disk.recordsAfterCheck() == closed)
    }

    // Breaks when the image is not locked by the host that runs the guest, or stays locked by the
    // one it has left.
    @Test(.timeLimit(.minutes(1)), arguments: Emulator.all)
    func lockFollowsTheGuest(_ emulator: Emulator) throws {
        let disk = try SharedDisk("qcow2")
        let hosts = try TwoHosts()
        try hosts.startLinux(Self.settings, devices: disk.element() + emulator.element)
        #expect(try disk.refusalOfQEMU()?.contains("Failed to get \"write\" lock") == true)
        _ = try hosts.move(from: hosts.alpha, to: hosts.beta)
        #expect(try disk.refusalOfQEMU()?.contains("Failed to get \"write\" lock") == true)
        #expect(try disk.refusalOfWriter()?.contains("Failed to get \"write\" lock") == true)
        let closed = try hosts.powerOff(on: hosts.beta)
        #expect(try disk.refusalOfWriter() == nil)
        #expect(try disk.recordsAfterCheck() == closed)
    }

    // Breaks when a disk that the destination cannot have stops the guest for good, or starts it on
    // both hosts: another process takes the image in the moment in which neither host has it, and
    // keeps it for a while after the destination has given up.
    @Test(
        .timeLimit(.minutes(1)), arguments: Emulator.all, [Duration.zero, .seconds(2)])
    func guestReturnsWhenTheDestinationCannotLock(
        _ emulator: Emulator, _ longer: Duration
    ) throws {
        let disk = try SharedDisk("qcow2")
        let hosts = try TwoHosts()
        try hosts.startLinux(Self.settings, devices: disk.element() + emulator.element)
        let before = try hosts.alpha.nextBeat()
        let root = hosts.beta.root
        let thief = try LockThief(disk.path, for: longer) {
            ProcessListing.ids(containing: root, with: "-incoming defer").first
        }
        let move = try hosts.begin(from: hosts.alpha, to: hosts.beta)
        let error = #expect(throws: LivemigError.self) { try move.finish() }
        #expect(error?.code == .lock, "\(error as Any)")
        // Where the image is free at once, whether the source's first attempt to take it back comes
        // before or after that is not known.
        if longer > .zero { #expect(error?.guest?.state == .paused) }
        #expect(try move.verdictOfDestination()?.code == .lock)
        #expect(try hosts.summary(on: hosts.alpha).right.word == "OWN")
        try thief.join()
        try expectSoon(within: .seconds(1)) {
            try hosts.summary(on: hosts.alpha).state == .running
        }
        let after = try hosts.alpha.expectProgress(since: before)
        #expect(hosts.beta.leftovers == [])
        _ = try hosts.move(from: hosts.alpha, to: hosts.beta)
        _ = try hosts.beta.expectProgress(since: after)
        let closed = try hosts.powerOff(on: hosts.beta)
        #expect(try disk.recordsAfterCheck() == closed)
    }

    // Breaks when a cache mode that cannot be moved safely is found out later than at the start of
    // a move, by either host.
    @Test(.timeLimit(.minutes(1)), arguments: ["none", "directsync", "unsafe"])
    func unsafeCacheModeIsRefused(_ cache: String) throws {
        let disk = try SharedDisk("raw", mebibytes: 8)
        let hosts = try TwoHosts()
        try hosts.start(document: IdleGuest.definition(disk.element(cache: cache)))
        let error = #expect(throws: LivemigError.self) {
            try hosts.begin(from: hosts.alpha, to: hosts.beta)
        }
        #expect(error?.code == .cache, "\(error as Any)")
        #expect(error?.what.contains(cache) == true)
        #expect(error?.place.contains("vda") == true)
        #expect(hosts.beta.leftovers == [])
        let source = #expect(throws: LivemigError.self) {
            try hosts.startOutgoing(from: hosts.alpha, to: hosts.beta)
        }
        #expect(source?.code == .cache, "\(source as Any)")
        let shown = try hosts.summary(on: hosts.alpha)
        #expect(shown.state == .running)
        #expect(shown.epoch == Epoch(1), "an attempt uses its epoch up, whatever came of it")
    }

    // Breaks when a destination without the image takes a guest in.
    @Test(.timeLimit(.minutes(1))) func missingDiskIsRefused() throws {
        let disk = try SharedDisk("qcow2", mebibytes: 8)
        let hosts = try TwoHosts()
        try hosts.start(document: IdleGuest.definition(disk.element()))
        let elsewhere = disk.path + ".elsewhere"
        #expect(unsafe rename(disk.path, elsewhere) == 0)
        let error = #expect(throws: LivemigError.self) {
            try hosts.begin(from: hosts.alpha, to: hosts.beta)
        }
        #expect(error?.code == .disk, "\(error as Any)")
        #expect(error?.place.contains(disk.path) == true)
        #expect(hosts.beta.leftovers == [])
        #expect(try hosts.summary(on: hosts.alpha).state == .running)
        #expect(unsafe rename(elsewhere, disk.path) == 0)
        _ = try hosts.move(from: hosts.alpha, to: hosts.beta)
        #expect(try hosts.summary(on: hosts.beta).state == .running)
    }
}
