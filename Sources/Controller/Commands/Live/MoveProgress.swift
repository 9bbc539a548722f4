import MigrationModel
import Orchestrator
import WireProtocol

/// What a move is at.
struct MoveProgress: Sendable {
    /// A stretch of a move.
    enum Stage: Hashable, Sendable {
        /// Both hosts are asked.
        case asking
        /// The source measures what the guest writes, and what the lanes carry.
        case measuring
        /// The destination prepares for the guest.
        case preparing
        /// A phase has begun.
        case phase(MovePhase)
        /// A round is under way.
        case sending
        /// A round has ended, and the next has not begun.
        case sent(RoundReport)
    }

    /// Where it is.
    private(set) var stage = Stage.asking
    /// The round under way.
    private(set) var round = RoundPace()
    /// The last round that ended.
    private(set) var last: RoundReport?
    /// The fewest dirty pages that a round left.
    private(set) var lowWaterMark: UInt64?

    /// Takes an event in.
    /// - Parameter time: since the move's beginning.
    mutating func take(_ event: MigrationEvent, at time: Duration) {
        switch event {
        case .planned, .predicted, .prepared: stage = .preparing
        case .measuring: stage = .measuring
        case .phase(let phase): stage = .phase(phase)
        case .round(let report):
            round = RoundPace()
            last = report
            lowWaterMark = min(report.dirtiedPages, lowWaterMark ?? .max)
            if case .phase(.switchover) = stage { return }
            stage = .sent(report)
        case .progress(let message):
            // A report that was on its way when its round ended would take the move back.
            guard message.round > last?.number ?? -1 else { return }
            round.add(message, at: time)
            if case .phase(.switchover) = stage { return }
            stage = .sending
        case .note, .warning: break
        }
    }

    /// What is to be expected.
    var forecast: MoveForecast {
        guard case .sending = stage else { return .unknown }
        return MoveForecast(
            pages: round.pagesLeft, rates: round.pageRates,
            written: last.map { Double($0.dirtiedPages) / max($0.duration.seconds, 1e-6) },
            isOutpaced: last?.isOutpaced == true)
    }

    /// The stage in a word or two.
    var word: String {
        switch stage {
        case .asking: "asking"
        case .measuring: "measuring"
        case .preparing: "preparing"
        case .phase(let phase): phase.name
        case .sending: "round \(round.number)"
        case .sent(let report): "round \(report.number)"
        }
    }

    /// What the stage means.
    /// - Parameter destination: the host that the guest moves to.
    func explanation(to destination: String) -> String {
        switch stage {
        case .asking: "both hosts"
        case .measuring: "the guest and the lanes"
        case .preparing: destination
        case .phase(.connecting): "to \(destination)"
        case .phase(.preCopy): "the guest runs"
        case .phase(.switchover): "the guest is stopped"
        case .phase(.committed): "the guest belongs to \(destination)"
        case .phase(.audit): "the guest runs on \(destination)"
        case .phase(.waiting): "for the network of \(destination), the guest runs"
        case .sending: round.words
        case .sent(let report):
            "sent, \(ByteCount(report.dirtiedPages.bytesOfPages)) dirtied meanwhile"
        }
    }

    /// Bytes on the wire a second, while a round is under way.
    var sent: String? {
        guard case .sending = stage else { return nil }
        return round.sendRate.map { "\(MoveText.rate($0)) sent" }
    }

    /// Bytes that the guest wrote a second in the last round.
    var dirtied: String? {
        guard case .sending = stage else { return nil }
        return last.map { "\(MoveText.rate($0.dirtyRate)) dirtied" }
    }

    /// The fewest bytes that a round left.
    var low: String? {
        guard case .sending = stage else { return nil }
        return lowWaterMark.map { "low-water mark \(ByteCount($0.bytesOfPages))" }
    }
}

extension RoundReport {
    /// Whether the guest wrote as much as was sent, in a round that sent what it had written.
    var isOutpaced: Bool { number > 0 && dirtyPages > 0 && dirtiedPages >= dirtyPages }
}
