import GuestMemory
import LinuxSystem
import MigrationModel
import PageCodec
import TestSupport
import Testing

@testable import MigrationEngine

@Suite("A round whose time is over")
struct RoundDeadlineTests {
    /// A board of one lane with a round of some pages.
    private static func board(pages: Int) throws -> RoundBoard {
        let board = RoundBoard(pageCount: pages, lanes: 1)
        var dirty = PageBitmap(pageCount: pages)
        dirty.insert(0..<pages)
        try board.start(0, &dirty)
        return board
    }

    // Broken by: a time-out that is looked at between rounds only.
    @Test("is waited for no longer", .timeLimit(.minutes(1)))
    func deadlines() throws {
        let board = try Self.board(pages: 4)
        #expect(try board.waitUntilSent(deadline: .now) == nil)
        #expect(try !board.waitUntilPlaced(deadline: .now))
        #expect(failure { try board.waitUntilOpen(deadline: .now) }?.code == .timeout)
        board.laneOpened()
        try board.waitUntilOpen(deadline: .now)
    }

    // Broken by: a round that is cut and loses pages, or sends them twice.
    @Test("is cut between what is claimed and what is left")
    func cut() throws {
        let count = BatchLimits.pages + 100
        let board = try Self.board(pages: count)
        var pages: [UInt64] = []
        #expect(try board.claim(after: nil, into: &pages) == .pages(0))
        let claimed = pages
        var rest = PageBitmap(pageCount: count)
        board.cutRound(leaving: &rest)
        #expect(rest.count == count - claimed.count)
        #expect(claimed.allSatisfy { !rest.contains(Int($0)) })
        #expect(try board.claim(after: nil, into: &pages) == .endOfRound(0))
    }

    // Broken by: a lane below a low rate that notices the end of its move only when it may send.
    @Test("ends the rest of a lane", .timeLimit(.minutes(1)))
    func rest() throws {
        let board = try Self.board(pages: 1)
        let limiter = BandwidthLimiter(Bandwidth(bytesPerSecond: 1))
        _ = limiter.reserve(3600)
        let lane = WorkerThread("lane") { try board.rest(until: limiter.reserve(1)) }
        board.fail(LivemigError(.timeout, "over"))
        #expect(failure { try lane.join() }?.code == .timeout)
    }
}
