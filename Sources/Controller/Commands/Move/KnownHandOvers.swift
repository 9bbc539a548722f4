import History
import MigrationModel
import Orchestrator

/// What the hand-overs of a guest have cost before, from the history.
enum KnownHandOvers {
    /// How many of its latest moves are looked at.
    private static let moves = 10
    /// Fewer say nothing.
    private static let fewest = 3
    /// How much further than seen so far a hand-over may go, to both sides.
    private static let margin = 0.25

    /// Looks a guest up.
    ///
    /// - Parameters:
    ///   - vm: its name.
    ///   - path: the history's file.
    /// - Returns: the least and the most besides its last pages, with a margin; `nil` where too few
    ///   moves are known, or the history cannot be read, which no plan depends on.
    static func range(of vm: VMName, in path: String) async -> ClosedRange<Duration>? {
        await BlockingWork.value("history") {
            var query = HistoryQuery(limit: moves)
            query.vm = vm.text
            let records = try? HistoryDatabase.existing(path: path)?.moves(query)
            return range(of: (records ?? []).compactMap { $0.ending?.measured?.downtime })
        }
    }

    /// The range of some stops.
    static func range(of stops: [Downtime]) -> ClosedRange<Duration>? {
        let costs = stops.map { $0.total - $0.finalPages }
        guard costs.count >= fewest, let low = costs.min(), let high = costs.max() else {
            return nil
        }
        return low * (1 - margin)...high * (1 + margin)
    }
}
