import GuestMemory
import LinuxSystem
import MigrationModel
import PageCodec
import TestSupport
import Testing

@testable import MigrationEngine

@Suite("A round whose pages are on their way")
struct SilentLaneTests {
    private static let limit: Duration = .seconds(1)

    /// A board whose one lane has sent a round of one page.
    private static func board() throws -> RoundBoard {
        let board = RoundBoard(pageCount: 1, lanes: 1)
        var dirty = PageBitmap(pageCount: 1)
        dirty.insert(0..<1)
        try board.start(0, &dirty)
        return board
    }

    // Broken by: a move that waits for ever for pages that were lost on a line nobody has ended.
    @Test("is given up when nothing of it arrives", .timeLimit(.minutes(1)))
    func silent() throws {
        let board = try Self.board()
        board.arrived(7)
        let start = MonotonicTime.now
        let error = failure { try board.waitUntilPlaced(stall: Self.limit) }
        #expect(error?.code == .stall, "\(error as Any)")
        #expect(start.elapsed >= Self.limit)
    }

    // Broken by: a slow line that is taken for a silent one.
    @Test("is waited for as long as something arrives", .timeLimit(.minutes(1)))
    func slow() throws {
        let board = try Self.board()
        let destination = WorkerThread("destination") {
            for batches in 1...30 as ClosedRange<UInt64> {
                // The line's pace is what is tried here.
                _ = try Poll.wait([], timeout: Self.limit / 10)
                board.arrived(batches)
            }
            try board.placed(0)
        }
        let start = MonotonicTime.now
        try board.waitUntilPlaced(stall: Self.limit)
        #expect(start.elapsed >= Self.limit * 2)
        try destination.join()
    }
}
