public import MigrationModel

/// Decides after each round whether to switch over, to send another round, or that it is in vain.
///
/// A pure function of measurements. With `V` pages left after a round, `b` bytes on the wire per
/// page and `r` bytes a second, the stop would last `h + V·b/r`, where `h` is the fixed cost of the
/// hand-over. The rule
/// - switches over when there is nothing left to gain: the last pages take less than
///   `negligible`, whatever the budget, unless the hand-over itself takes longer than `tolerable`;
/// - goes on while rounds still shrink, for the stop should be short and not merely within budget;
/// - switches over when they shrink no more and the stop fits the budget;
/// - gives up when they shrink no more, the stop does not fit, and that has been so for
///   `patience` rounds in a row.
///
/// It watches the low-water mark of `V`, since a burst of writes says nothing about the trend.
public struct ConvergenceRule: Sendable {
    /// What to do next.
    public enum Decision: Hashable, Sendable {
        /// Send another round.
        case anotherRound
        /// Stop the guest and send the rest.
        case switchOver
        /// Rounds do not shrink, and the stop would be too long.
        case notConverging
    }

    /// A hand-over of this length is accepted where no round would shorten the stop, whatever the
    /// budget; one that takes longer, as on a slow path, has to fit it.
    static let tolerable: Duration = .milliseconds(500)
    /// A last transfer below this is not worth another round.
    static let negligible: Duration = .milliseconds(2)
    /// Rounds that leave less than this share of what the last progress left are progress.
    static let progressShare = 0.8
    /// A round within this share above the low-water mark is as good as it gets.
    static let plateauShare = 1.25
    /// How many rounds without progress are endured.
    static let patience = 12
    /// The most rounds of one move.
    static let roundLimit = 1000
    /// How many rounds in a row are spent waiting for a burst to pass when the budget already fits.
    static let burstPatience = 3

    private let budget: Duration
    /// What the hand-over costs besides the last pages; measured better as a move goes on.
    public var handOver: Duration
    private var lowWater = Double.infinity
    private var lastProgress = Double.infinity
    private var roundsWithoutProgress = 0
    private var bytesPerPage = 4096.0
    private var bytesPerSecond = 0.0

    /// The rule for one move.
    ///
    /// - Parameters:
    ///   - budget: the longest stop to aim for.
    ///   - handOver: what the hand-over costs besides the last pages.
    public init(budget: Duration, handOver: Duration) {
        self.budget = budget
        self.handOver = handOver
    }

    /// Takes the measurements of a round in and decides.
    public mutating func decide(after round: RoundReport) -> Decision {
        learn(from: round)
        let left = Double(round.dirtiedPages)
        let transfer = predictedTransfer(pages: left)
        let isProgress = left < lastProgress * Self.progressShare
        let isPlateau = left <= lowWater * Self.plateauShare
        lowWater = min(lowWater, left)
        // Small steps add up: a guest that writes a little slower than the link does converge.
        if isProgress { lastProgress = left }
        roundsWithoutProgress = isProgress ? 0 : roundsWithoutProgress + 1
        let least = min(handOver, Self.tolerable)
        if transfer <= Self.negligible, transfer + handOver <= max(budget, least) {
            return .switchOver
        }
        let fits = handOver + transfer <= budget
        if fits, !isProgress, isPlateau || roundsWithoutProgress >= Self.burstPatience {
            return .switchOver
        }
        let isInVain = !fits && roundsWithoutProgress >= Self.patience
        return isInVain || round.number >= Self.roundLimit ? .notConverging : .anotherRound
    }

    /// Whether the stop would be too long if not a single page were left.
    public var isHandOverTooLong: Bool { handOver > max(budget, Self.tolerable) }

    /// How long the stop would last with some pages left, by the measurements so far.
    public func predictedDowntime(pages: UInt64) -> Duration {
        handOver + predictedTransfer(pages: Double(pages))
    }

    private func predictedTransfer(pages: Double) -> Duration {
        guard pages > 0 else { return .zero }
        guard bytesPerSecond > 0 else { return .seconds(86_400) }
        return .seconds(min(pages * bytesPerPage / bytesPerSecond, 86_400))
    }

    /// Small rounds measure the round-trip, not the link: they do not lower the rate.
    ///
    /// The first round is of all memory: its zero pages say nothing of the pages that the guest
    /// writes.
    private mutating func learn(from round: RoundReport) {
        if round.number == 0 {
            let sent = round.pages.sent
            bytesPerPage = sent >= 64 ? max(1, Double(round.wireBytes) / Double(sent)) : 4096
        } else if round.dirtyPages >= 64 {
            bytesPerPage = max(1, Double(round.wireBytes) / Double(round.dirtyPages))
        }
        if round.wireBytes >= 4 << 20 {
            bytesPerSecond =
                bytesPerSecond == 0 ? round.rate : 0.5 * bytesPerSecond + 0.5 * round.rate
        } else {
            bytesPerSecond = max(bytesPerSecond, round.rate)
        }
    }
}
