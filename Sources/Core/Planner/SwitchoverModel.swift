import MigrationModel

/// What the engine's convergence rule would decide on a link on paper.
///
/// Criteria, numbers and the way in which the rate is learned from rounds are the engine's; a test
/// holds the two together.
struct SwitchoverModel {
    enum Decision {
        case anotherRound, switchOver, notConverging
    }

    /// A hand-over of this many seconds is accepted where no round would shorten the stop.
    private static let tolerable = 0.5
    /// A last transfer below this many seconds is not worth another round.
    private static let negligible = 0.002
    /// Rounds that leave less than this share of what the last progress left are progress.
    private static let progressShare = 0.8
    /// A round within this share above the low-water mark is as good as it gets.
    private static let plateauShare = 1.25
    /// How many rounds without progress are endured.
    private static let patience = 12
    /// The most rounds of one move.
    private static let roundLimit = 1000
    /// How many rounds in a row are spent waiting for a burst to pass when the budget already fits.
    private static let burstPatience = 3

    /// The longest stop to aim for, in seconds.
    let budget: Double
    /// What the hand-over costs besides the last pages, in seconds.
    let handOver: Double
    private var lowWater = Double.infinity
    private var lastProgress = Double.infinity
    private var roundsWithoutProgress = 0
    private var bytesPerSecond = 0.0

    /// A round as it went on paper.
    struct Round {
        /// From 0.
        let number: Int
        /// Bytes on the wire.
        let bytes: Double
        /// Seconds.
        let duration: Double
        /// How many pages are left.
        let pagesLeft: Double
        /// How many bytes they are on the wire.
        let bytesLeft: Double
    }

    init(budget: Double, handOver: Double) {
        self.budget = budget
        self.handOver = handOver
    }

    /// Decides after a round.
    mutating func decide(after round: Round) -> Decision {
        learn(from: round)
        let pages = round.pagesLeft
        let transfer = pages > 0 ? round.bytesLeft / max(bytesPerSecond, 1e-3) : 0
        let isProgress = pages < lastProgress * Self.progressShare
        let isPlateau = pages <= lowWater * Self.plateauShare
        lowWater = min(lowWater, pages)
        if isProgress { lastProgress = pages }
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

    /// Small rounds measure the round-trip, not the link: they do not lower the rate.
    private mutating func learn(from round: Round) {
        let rate = round.bytes / max(round.duration, 1e-6)
        if round.bytes >= 4_194_304, bytesPerSecond > 0 {
            bytesPerSecond = 0.5 * bytesPerSecond + 0.5 * rate
        } else {
            bytesPerSecond = max(bytesPerSecond, rate)
        }
    }
}

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
        var rule = SwitchoverModel(
            budget: measurements.downtimeBudget.seconds,
            handOver: (measurements.handOver + measurements.deviceState).seconds + roundTrip)
        var pages = Double(
            measurements.populatedPages - min(measurements.zeroPages, measurements.populatedPages))
        var decision = SwitchoverModel.Decision.anotherRound
        while case .anotherRound = decision {
            let sent = pages * bytesPerPage
            let duration = min(sent / rate + roundTrip, Self.longest)
            bytes += sent
            total += duration
            pages = curve.pages(in: duration).rounded()
            decision = rule.decide(
                after: SwitchoverModel.Round(
                    number: rounds, bytes: sent, duration: duration, pagesLeft: pages,
                    bytesLeft: pages * bytesPerPage))
            rounds += 1
        }
        if case .switchOver = decision { converges = true }
        if pages > 0 { rounds += 1 }
        bytes += pages * bytesPerPage
        blackout = min(
            (stop + measurements.deviceState).seconds + roundTrip + pages * bytesPerPage / rate,
            Self.longest)
        total = min(total + blackout, Self.longest)
    }
}
