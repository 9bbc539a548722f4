import Handoff
import MigrationModel

/// A move on paper.
struct ModelledMove {
    /// Rounds, the last one with the guest stopped included.
    var rounds = 0
    /// Bytes on the wire.
    var bytes = 0.0
    /// Seconds from the first page to the guest running on the destination.
    var total = 0.0
    /// Seconds for which the guest stands still.
    var blackout = 0.0
    /// Whether the rule would switch over.
    var converges = false

    /// The longest time of anything, in seconds: a hundred years.
    private static let longest = 3.2e9
    /// The most bytes of a round.
    private static let most = 1e18

    /// Sends rounds until the rule has decided, and then switches over in any case.
    ///
    /// - Parameters:
    ///   - measurements: the guest, the round-trip and the budget.
    ///   - curve: what the guest writes.
    ///   - rate: bytes a second on the wire.
    ///   - ratio: bytes of guest memory for a byte on the wire.
    ///   - stop: what the hand-over costs besides the last pages and a round-trip.
    init(
        _ measurements: Measurements, _ curve: DirtyCurve, rate: Double, ratio: Double,
        stop: Duration
    ) {
        let bytesPerPage = 4096 / max(ratio, 0.01)
        let rate = max(rate, 1)
        let roundTrip = measurements.roundTrip.seconds
        var rule = ConvergenceRule(
            budget: measurements.downtimeBudget,
            handOver: measurements.handOver + measurements.deviceState + measurements.roundTrip)
        var pages =
            measurements.populatedPages - min(measurements.zeroPages, measurements.populatedPages)
        var decision = ConvergenceRule.Decision.anotherRound
        while decision == .anotherRound {
            let sent = Double(pages) * bytesPerPage
            let duration = min(sent / rate + roundTrip, Self.longest)
            bytes += sent
            total += duration
            let left = UInt64(curve.pages(in: duration).rounded())
            decision = rule.decide(
                after: RoundReport(
                    number: rounds, dirtyPages: pages, pages: PageCounts(sent: pages),
                    wireBytes: UInt64(min(sent, Self.most)), duration: .seconds(duration),
                    dirtiedPages: left))
            pages = left
            rounds += 1
        }
        if case .switchOver = decision { converges = true }
        if pages > 0 { rounds += 1 }
        let rest = Double(pages) * bytesPerPage
        bytes += rest
        blackout = min(
            (stop + measurements.deviceState).seconds + roundTrip + rest / rate,
            Self.longest)
        total = min(total + blackout, Self.longest)
    }
}
