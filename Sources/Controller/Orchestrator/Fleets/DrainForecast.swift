public import MigrationModel
import Planner

/// What the moves of a drain will be like.
public struct DrainForecast: Sendable {
    /// Each move, or why it is not predicted.
    public let moves: [VMUUID: Result<Forecast, LivemigError>]
    /// How long all of them take, as many at a time as the hosts allow; `nil` where one is not
    /// predicted, and where there is none.
    public let total: ClosedRange<Duration>?

    /// What a move takes besides copying and handing over, by experience: connections, checks, and
    /// the start of the hypervisor.
    private static let besides: ClosedRange<Duration> = .milliseconds(400) ... .seconds(3)

    init(_ moves: [VMUUID: Result<Forecast, LivemigError>], of proposal: DrainProposal) {
        self.moves = moves
        let known = moves.compactMapValues { try? $0.get().prediction.total }
        guard !proposal.moves.isEmpty, known.count == proposal.moves.count else {
            total = nil
            return
        }
        let low = MoveQueue.span(
            of: proposal.moves, limits: proposal.limits,
            durations: known.mapValues { $0.lowerBound + Self.besides.lowerBound })
        let high = MoveQueue.span(
            of: proposal.moves, limits: proposal.limits,
            durations: known.mapValues { $0.upperBound + Self.besides.upperBound })
        total = min(low, high)...max(low, high)
    }
}

extension HostControl {
    /// How many guests are measured at a time: as many as a host moves at a time by default, so that
    /// lanes are measured as they will be shared.
    private static let measuredAtOnce = 2

    /// Measures the guests that a drain would move, and predicts their moves; changes nothing.
    ///
    /// - Parameters:
    ///   - proposal: the drain.
    ///   - known: what a guest's hand-overs have cost before.
    ///   - note: told what is being done, for a live line.
    public func forecast(
        _ proposal: DrainProposal,
        known: @escaping @Sendable (VMName) async -> ClosedRange<Duration>?,
        note: @escaping @Sendable (String) -> Void
    ) async -> DrainForecast {
        let moves = proposal.moves
        var found: [VMUUID: Result<Forecast, LivemigError>] = [:]
        await withTaskGroup(of: (VMUUID, Result<Forecast, LivemigError>).self) { group in
            var rest = moves[...]
            func begin() {
                guard let move = rest.popFirst() else { return }
                note("measuring \(move.guest), \(moves.count - rest.count) of \(moves.count)")
                group.addTask {
                    let wanted = ForecastRequest(knownHandOver: await known(move.guest))
                    return (move.uuid, await self.forecast(move, proposal, wanted))
                }
            }
            for _ in 0..<Self.measuredAtOnce { begin() }
            while let (guest, result) = await group.next() {
                found[guest] = result
                begin()
            }
        }
        return DrainForecast(found, of: proposal)
    }

    private func forecast(
        _ move: MoveQueue.Move, _ proposal: DrainProposal, _ wanted: ForecastRequest
    ) async -> Result<Forecast, LivemigError> {
        var request = proposal.request.template.request(for: move)
        request.isDryRun = true
        request.forecast = wanted
        let outcome = await Migration(request, self).run()
        if let forecast = outcome.forecast { return .success(forecast) }
        return .failure(outcome.error ?? LivemigError(.internal, "nothing was predicted"))
    }
}
