import GuestMemory
import LinuxSystem
import MigrationModel
import PageCodec
import TestSupport
import Testing

@testable import MigrationEngine

@Suite("Rounds over lanes, both ends in one process")
struct LaneTests {
    // Broken by: a page lost, placed on the wrong page, or an earlier content placed over a later
    // one because it came on another lane.
    @Test(
        "memory arrives byte for byte while it is written", arguments: 1...4,
        [CodecPolicy.none, .auto])
    func rounds(lanes: Int, compression: CodecPolicy) throws {
        try within(.seconds(30)) {
            let rig = try Rig(pages: 3000, lanes: lanes)
            let workers = try rig.start(lanes: lanes, compression: compression)
            var random = Seeded(UInt64(lanes))
            var dirty = PageBitmap(pageCount: rig.pages)
            for round in 0..<6 as Range<UInt32> {
                Self.scribble(rig, &random, &dirty, pages: round == 0 ? 1500 : 300)
                let count = UInt64(dirty.count)
                try rig.rounds.start(round, &dirty)
                #expect(dirty.isEmpty)
                // The guest goes on writing while the round is sent; those pages are sent again.
                if round < 5 { Self.scribble(rig, &random, &dirty, pages: 100) }
                let totals = try rig.rounds.waitUntilSent()
                try rig.rounds.waitUntilPlaced()
                #expect(totals.pages.total == count)
                #expect(rig.rounds.progress.claimed == count)
            }
            let placed = try rig.placement.waitUntilPlaced(
                rounds: 6, deadline: .now + .seconds(10))
            rig.rounds.end()
            for worker in workers { try worker.join() }
            #expect(rig.isEqual)
            #expect(placed == rig.rounds.digest)
            #expect(placed == rig.placedDigest)
            #expect(rig.rounds.overall.wireBytes > 0)
        }
    }

    /// Writes random pages: noise, text, zeros, or what is there already.
    private static func scribble(
        _ rig: Rig, _ random: inout Seeded, _ dirty: inout PageBitmap, pages: Int
    ) {
        for _ in 0..<pages {
            let page = random.below(rig.pages)
            switch random.below(4) {
            case 0: rig.write(random.bytes(4096), page: page)
            case 1: rig.write(Array(repeating: UInt8(random.below(256)), count: 4096), page: page)
            case 2: rig.write([UInt8](repeating: 0, count: 4096), page: page)
            default: break
            }
            dirty.insert(page..<page + 1)
        }
    }

    // Broken by: a round without pages that never ends.
    @Test func roundsWithoutPages() throws {
        try within(.seconds(10)) {
            let rig = try Rig(pages: 64, lanes: 3)
            let workers = try rig.start(lanes: 3)
            for round in 0..<3 as Range<UInt32> {
                var none = PageBitmap(pageCount: 64)
                try rig.rounds.start(round, &none)
                let totals = try rig.rounds.waitUntilSent()
                #expect(totals.pages.total == 0)
                try rig.rounds.waitUntilPlaced()
            }
            rig.rounds.end()
            for worker in workers { try worker.join() }
            #expect(rig.isEqual)
        }
    }

    // Broken by: a page that did not change sent again, or its hash left out of the digest.
    @Test func unchangedPagesAreNotSentAgain() throws {
        try within(.seconds(10)) {
            let rig = try Rig(pages: 64, lanes: 1)
            let workers = try rig.start(lanes: 1, compression: .none)
            var random = Seeded(1)
            for page in 0..<32 { rig.write(random.bytes(4096), page: page) }
            var dirty = PageBitmap(pageCount: 64)
            dirty.insert(0..<64)
            try rig.rounds.start(0, &dirty)
            let first = try rig.rounds.waitUntilSent()
            #expect(first.pages.sent == 32 && first.pages.zero == 32)
            dirty.insert(0..<64)
            rig.write([0xFF], page: 5)
            try rig.rounds.start(1, &dirty)
            let second = try rig.rounds.waitUntilSent()
            #expect(second.pages.sent == 1 && second.pages.unchanged == 63)
            #expect(second.wireBytes < 5000)
            rig.rounds.end()
            for worker in workers { try worker.join() }
            #expect(rig.isEqual)
            #expect(rig.rounds.digest == rig.placedDigest)
        }
    }

    // Broken by: a wait that goes on although a lane has failed, or another error than the first.
    @Test func aFailureEndsEveryWait() throws {
        let said = LivemigError(.disconnected, "lane 2 is gone", at: "beta")
        try within(.seconds(10)) {
            let rig = try Rig(pages: 64, lanes: 2)
            var dirty = PageBitmap(pageCount: 64)
            dirty.insert(0..<64)
            try rig.rounds.start(0, &dirty)
            let waits = [
                WorkerThread("sent") { () throws -> Void in _ = try rig.rounds.waitUntilSent() },
                WorkerThread("placed") { () throws -> Void in try rig.rounds.waitUntilPlaced() },
                WorkerThread("claim") { () throws -> Void in
                    var pages: [UInt64] = []
                    _ = try rig.rounds.claim(after: 0, into: &pages)
                },
                WorkerThread("all") { () throws -> Void in
                    _ = try rig.placement.waitUntilPlaced(
                        rounds: 1, deadline: .now + .seconds(60))
                },
                WorkerThread("lane") { () throws -> Void in
                    try rig.placement.laneEnded(0, round: 0, digest: ImageDigest())
                },
            ]
            for board in 0..<2 {
                let error = board == 0 ? said : LivemigError(.io, "later")
                rig.rounds.fail(error)
                rig.placement.fail(error)
            }
            for wait in waits { #expect(failure { try wait.join() } == said) }
            #expect(failure { try rig.rounds.start(1, &dirty) } == said)
            #expect(rig.rounds.failure == said && rig.placement.failure == said)
        }
    }

    // Broken by: a destination that says it has placed what was not sent yet.
    @Test func placedOutOfOrder() throws {
        let board = RoundBoard(pageCount: 64, lanes: 1)
        #expect(failure { try board.placed(0) }?.code == .wire)
        var none = PageBitmap(pageCount: 64)
        try board.start(0, &none)
        #expect(failure { try board.placed(1) }?.code == .wire)
        try board.placed(0)
        #expect(failure { try board.placed(0) }?.code == .wire)
    }

    // Broken by: waiting for the last pages for ever.
    @Test func theLastPagesDoNotCome() throws {
        try within(.seconds(10)) {
            let board = PlacementBoard { _ in }
            board.begin(lanes: 1)
            let error = failure {
                _ = try board.waitUntilPlaced(rounds: 1, deadline: .now + .milliseconds(30))
            }
            #expect(error?.code == .stall)
        }
    }

    // Broken by: waiting until the deadline for pages of a source that has gone, which keeps the copy
    // of a dead move on the destination for as long.
    @Test(arguments: [true, false]) func theLanesEndBeforeTheLastPages(isLate: Bool) throws {
        try within(.seconds(10)) {
            let board = PlacementBoard { _ in }
            board.begin(lanes: 2)
            if !isLate { board.laneLeft() }
            let waiting = WorkerThread("placed") {
                _ = try board.waitUntilPlaced(rounds: 1, deadline: .now + .seconds(600))
            }
            if isLate { board.laneLeft() }
            #expect(failure { try waiting.join() }?.code == .disconnected)
        }
    }
}
