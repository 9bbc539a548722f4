import GuestMemory
import LinuxSystem
import MigrationModel
import PageCodec
import TestSupport
import Testing

@testable import MigrationEngine

@Suite("Hashing guest RAM anew")
struct FreshHashTests {
    /// Both ends with the same memory, sent in one round; some pages are noise, some zeros that are
    /// sent, and most were never touched.
    private static func copied(lanes: Int = 2) throws -> Rig {
        let rig = try Rig(pages: 9000, lanes: lanes)
        var random = Seeded(77)
        var dirty = PageBitmap(pageCount: rig.pages)
        for page in stride(from: 0, to: rig.pages, by: 70) {
            if page % 3 > 0 { rig.write(random.bytes(4096), page: page) }
            dirty.insert(page..<page + 1)
        }
        let workers = try rig.start(lanes: lanes)
        try rig.rounds.start(0, &dirty)
        _ = try rig.rounds.waitUntilSent()
        _ = try rig.placement.waitUntilPlaced(rounds: 1, deadline: .now + .seconds(20))
        rig.rounds.end()
        for worker in workers { try worker.join() }
        return rig
    }

    /// What both ends find when the source's hashes are compared with the destination's.
    private static func compare(_ rig: Rig) throws -> DifferingPages {
        var comparison = PageComparison()
        let all = 0..<UInt64(rig.pages)
        try rig.destination.compare(rig.source.hashes(of: all), from: 0, in: &comparison)
        rig.destination.finish(&comparison)
        return comparison.differing
    }

    // Broken by: a digest that depends on threads, on what was sent as zeros, or on holes.
    @Test func equalMemories() throws {
        try within(.seconds(30)) {
            let rig = try Self.copied()
            let placed = rig.placedDigest
            let near = try rig.source.hashAnew()
            #expect(near.changed == 0)
            // What an audit compares with: what was placed, and no memory is read for it.
            #expect(rig.destination.digestOfPlacedContent() == near.digest)
            let far = try rig.destination.hashAnew()
            #expect(far == near)
            #expect(near.digest != placed, "zeros that were sent count in one of them only")
            #expect(try Self.compare(rig).isEmpty)
        }
    }

    // Broken by: one byte on either side not noticed, its page not named, or the side that changed
    // not told from the other; also where nothing was ever sent.
    @Test(arguments: [70, 210, 8, 4096, 8960]) func oneByte(page: Int) throws {
        try within(.seconds(30)) {
            let found = DifferingPages(count: 1, first: [UInt64(page)])
            let near = try Self.copied()
            near.write([0x5A], page: page, offset: 4095)
            #expect(try near.source.hashAnew().changed == 1)
            #expect(try near.destination.hashAnew().changed == 0)
            #expect(try Self.compare(near) == found)
            let far = try Self.copied()
            let number = far.destinationFile.descriptor.number
            try Memory.write([0x5A], to: number, page: page)
            #expect(try far.source.hashAnew().changed == 0)
            let fresh = try far.destination.hashAnew()
            #expect(fresh.changed == 1)
            #expect(try Self.compare(far) == found)
        }
    }

    // Broken by: reading what was never touched, which would allocate all of a sparse guest.
    @Test func holesStayHoles() throws {
        try within(.seconds(30)) {
            let rig = try Self.copied()
            let before = try Memory.populated(rig.destinationFile)
            #expect(before < rig.pages / 4)
            _ = try rig.source.hashAnew()
            _ = try rig.destination.hashAnew()
            #expect(try Memory.populated(rig.destinationFile) == before)
        }
    }

    // Broken by: a prediction that is made of nothing, or that puts the hashes of a running guest
    // in place of those that were sent.
    @Test func aPredictionChangesNothing() throws {
        try within(.seconds(30)) {
            let rig = try Self.copied()
            let all = 0..<UInt64(rig.pages)
            let before = rig.source.hashes(of: all)
            rig.write([0x5A], page: 70, offset: 100)
            #expect(try rig.source.predictedHashing() > .zero)
            #expect(rig.source.hashes(of: all) == before)
            let empty = try Rig(pages: 64, lanes: 1)
            #expect(try empty.source.predictedHashing() == .zero)
        }
    }

    // Broken by: a page that loses its memory keeping the hash that it had.
    @Test func aPageThatIsFreedIsZero() throws {
        try within(.seconds(30)) {
            let rig = try Self.copied()
            try rig.destinationFile.discard(pages: 70..<71)
            _ = try rig.source.hashAnew()
            #expect(try rig.destination.hashAnew().changed == 1)
            #expect(try Self.compare(rig) == DifferingPages(count: 1, first: [70]))
        }
    }

    // Broken by: a page placed after the copy was declared whole: it would change a memory that has
    // been compared, or that the guest uses.
    @Test func nothingIsPlacedAfterTheLastRound() throws {
        try within(.seconds(10)) {
            let rig = try Rig(pages: 64, lanes: 1)
            let ends = try UnixSocket.pair(.stream).release()
            let receiver = rig.receiver(0, OwnedDescriptor(owning: ends.second))
            let lane = OwnedDescriptor(owning: ends.first)
            var none = PageBitmap(pageCount: 64)
            try rig.rounds.start(0, &none)
            try DescriptorIO.write(Memory.roundEnd, to: lane.number)
            _ = try rig.placement.waitUntilPlaced(rounds: 1, deadline: .now + .seconds(5))
            try DescriptorIO.write(Memory.lateBatch, to: lane.number)
            #expect(failure { try receiver.join() }?.what == "pages came after the end of the copy")
            #expect(rig.placedDigest == ImageDigest())
        }
    }
}
