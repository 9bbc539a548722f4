import MigrationModel
import Orchestrator
import Planner
import WireProtocol

/// A move as text: lines that stay, and the live line.
struct MoveText {
    /// A line for standard error.
    enum Line: Hashable {
        case permanent(String)
        case live(FittingLine)
    }

    private var source = ""
    private var destination = ""
    private var width = 0
    private var progress = MoveProgress()
    private var lowWaterMark: UInt64?

    /// The lines of an event.
    /// - Parameters:
    ///   - event: what happened.
    ///   - time: since the move's start.
    mutating func lines(_ event: MigrationEvent, at time: Duration) -> [Line] {
        progress.take(event, at: time)
        switch event {
        case .planned(let plan):
            source = plan.source.text
            destination = plan.destination.text
            width = max(source.count, destination.count) + 1
            return plan.warnings.map { .permanent(ReportText.warning($0)) }
        case .measuring:
            let words = "measuring what the guest writes and the lanes carry"
            return [.live(FittingLine(start: side(source) + words))]
        case .predicted(let forecast):
            return [.permanent("predicted  \(forecast.prediction)")]
        case .prepared: return []
        case .phase(let phase): return [.live(FittingLine(start: describe(phase)))]
        case .round(let round):
            let line = side(source) + Self.round(round, lowWaterMark: lowWaterMark)
            lowWaterMark = min(round.dirtyPages, lowWaterMark ?? .max)
            return [.permanent(line), .live(live)]
        case .progress: return [.live(live)]
        case .note(let text): return [.permanent("livemig: \(text)")]
        case .warning(let finding): return [.permanent(ReportText.warning(finding))]
        }
    }

    /// Such as `alpha: round 1  45 % of 104 MiB, 38 MiB/s sent, 12 MiB/s dirtied, 2–3 s left`.
    private var live: FittingLine {
        let words = progress.explanation(to: destination)
        var line = FittingLine(start: side(source) + "\(progress.word)  \(words)")
        let forecast = progress.forecast
        let parts: [(String?, Int)] = [
            (progress.sent, 3), (progress.dirtied, 2), (progress.low, 1), (forecast.words, 4),
        ]
        for case (let text?, let rank) in parts where !text.isEmpty {
            line.parts.append(
                .init(text: text, rank: rank, emphasis: rank == 4 ? forecast.emphasis : .none))
        }
        return line
    }

    private func side(_ host: String) -> String { "\(host):".padded(to: width) + " " }

    private func describe(_ phase: MovePhase) -> String {
        switch phase {
        case .connecting: side(source) + "connecting to \(destination)"
        case .preCopy: side(source) + "pre-copy, the guest runs"
        case .switchover: side(source) + "switchover, the guest is stopped"
        case .committed: side(destination) + "committed, the guest belongs to \(destination)"
        case .audit: side(source) + "audit, the guest runs on \(destination)"
        case .waiting:
            side(source) + "waiting for the network of \(destination), the guest runs"
        }
    }

    /// Such as `round 1  104 MiB dirty     → 2.0 MiB sent  38 MiB/s dirtied`.
    /// - Parameter lowWaterMark: the fewest pages that a round before had to send.
    static func round(_ round: RoundReport, lowWaterMark: UInt64?) -> String {
        let isFirst = round.number == 0
        let size = ByteCount(round.dirtyPages.bytesOfPages)
        let what = "\(size) \(isFirst ? "populated" : "dirty")".padded(to: 17)
        let sent = "\(ByteCount(round.wireBytes)) sent".padded(to: 13)
        return "round \(round.number)  \(what) → \(sent) \(tail(round, lowWaterMark))"
    }

    /// What matters most about the round.
    private static func tail(_ round: RoundReport, _ lowWaterMark: UInt64?) -> String {
        guard round.number > 0 else {
            return "\(rate(round.rate))   \(round.duration.brief)"
        }
        if round.isOutpaced { return MoveForecast.never.words }
        if let low = lowWaterMark, round.number > 1, round.dirtyPages < low {
            return "low-water mark"
        }
        return "\(rate(round.dirtyRate)) dirtied"
    }

    static func rate(_ bytesPerSecond: Double) -> String {
        "\(ByteCount(UInt64(min(max(0, bytesPerSecond), 1e18))))/s"
    }

    // MARK: Results

    /// The lines of a result for standard output; an error has its line on standard error.
    static func result(_ outcome: MoveOutcome) -> [String] {
        let guest = outcome.guest.map { [$0.description] } ?? []
        switch outcome.ending {
        case .moved(let report, nil): return moved(outcome, report) + check(outcome, report)
        case .moved(let report, _): return moved(outcome, report) + guest
        case .planned(let plan): return planned(plan, outcome.forecast)
        case .failed: return guest
        }
    }

    private static func moved(_ outcome: MoveOutcome, _ report: MigrationReport) -> [String] {
        let width = max(outcome.source?.text.count ?? 0, outcome.destination.text.count) + 1
        let side = "\(outcome.destination):".padded(to: width)
        let state = report.isRunning ? "running" : "paused"
        return [
            "\(side) \(state)   \(blackout(report.downtime))"
        ] + report.reach.map { "\(side) network   \(reach($0))" } + [
            "moved \(outcome.vm.name) to \(outcome.destination) in \(outcome.total.brief); "
                + "\(ByteCount(report.wireBytes)) on the wire, \(verified(report))."
        ]
    }

    /// Such as `bridge br0 learnt 52:54:00:00:00:01 after 12 ms`.
    static func reach(_ reach: NetworkReach) -> String {
        let (bridge, mac) = (reach.bridge.onOneLine(), reach.mac.onOneLine())
        guard let after = reach.after else {
            return "bridge \(bridge) has not heard of \(mac) in "
                + "\(NetworkReach.limit.brief), its port is \(reach.state.word)"
        }
        return "bridge \(bridge) learnt \(mac) after \(after.brief)"
    }

    /// Whether the move was as predicted, where something was.
    private static func check(_ outcome: MoveOutcome, _ report: MigrationReport) -> [String] {
        guard let forecast = outcome.forecast else { return [] }
        let check = forecast.prediction.check(against: report)
        let wrong = check.findings.filter { !$0.isWithin }.map(\.description)
        guard !wrong.isEmpty else { return ["as predicted."] }
        return ["not as predicted: " + wrong.joined(separator: "; ")]
    }

    /// What was compared; without a claim where it was not, or not the same.
    private static func verified(_ report: MigrationReport) -> String {
        let differing = report.differing.count
        guard differing == 0 else {
            return differing == 1 ? "1 page differs" : "\(differing.grouped) pages differ"
        }
        let pages = (report.guestBytes.bytes / 4096).grouped
        switch report.verified {
        case .frame: return "frames verified"
        case .pages: return "\(pages) pages verified"
        case .audit, .full: return "\(pages) pages verified (\(report.verified.word))"
        }
    }

    /// Such as `blackout 24 ms = last pages 8 + device state 6 + commit 4 + resume 6`, where the
    /// rounded parts add up to the rounded total.
    static func blackout(_ downtime: Downtime) -> String {
        let scale = downtime.total < .milliseconds(10) ? 10.0 : 1
        let parts = [
            ("last pages", downtime.finalPages), ("device state", downtime.deviceState),
            ("commit", downtime.commit), ("resume", downtime.resume),
        ]
        var sum = Duration.zero
        var shown = 0.0
        let words = parts.map { name, part in
            sum += part
            let total = (sum.milliseconds * scale).rounded(.up)
            defer { shown = total }
            return "\(name) \(number(total - shown, scale))"
        }
        return "blackout \(number(shown, scale)) ms = " + words.joined(separator: " + ")
    }

    /// The guest's stop alone, such as `24 ms`, rounded as in `blackout`.
    static func stop(_ downtime: Downtime) -> String {
        let scale = downtime.total < .milliseconds(10) ? 10.0 : 1
        return number((downtime.total.milliseconds * scale).rounded(.up), scale) + " ms"
    }

    private static func number(_ value: Double, _ scale: Double) -> String {
        let whole = Int64(value)
        return scale == 1 ? "\(whole)" : "\(whole / 10).\(whole % 10)"
    }

    private static func planned(_ plan: MovePlan, _ forecast: Forecast?) -> [String] {
        let populated = forecast.map { ", \($0.prediction.populated) populated" } ?? ""
        let head =
            "\(plan.machine.name): \(plan.source) → \(plan.destination)   "
            + "\(plan.machine.memory) RAM\(populated)"
        let steps = steps(plan, lanes: forecast?.lanes).enumerated().map { number, step in
            "  \(number + 1). \(step)"
        }
        return [head] + (forecast.map(predicted) ?? []) + steps
            + ["would move. Nothing was changed."]
    }

    /// What a move does, one thing after the other.
    static func steps(_ plan: MovePlan, lanes: Int?) -> [String] {
        let path =
            switch plan.policy.path {
            case .direct: "from \(plan.source) to \(plan.destination)"
            case .relay: "relayed by this machine"
            }
        let count = lanes ?? plan.policy.lanes
        let words = count.map { $0 == 1 ? "1 lane" : "\($0) lanes" } ?? "lanes"
        let memory = "\(plan.machine.memory) of \(plan.memoryAvailable) free"
        return [
            "prepare \(plan.machine.name) on \(plan.destination), which takes \(memory)"
                + (plan.networks.isEmpty ? "" : "; bridges \(plan.networks)"),
            "pre-copy over \(words) \(path)",
            "switch over\(comparison(plan.policy)), hand ownership to \(plan.destination)"
                + " (epoch \(plan.epoch))",
            "remove the copy on \(plan.source)"
                + (plan.policy.verification == .audit ? " and audit what it held" : ""),
        ]
    }

    private static func predicted(_ forecast: Forecast) -> [String] {
        let prediction = forecast.prediction
        let cost = prediction.measurements.stop
        let source = forecast.knowsHandOver ? "as in its earlier moves" : "by experience"
        let handOver = "\(cost.brief) \(source)"
        return [
            "  measured   \(prediction.measurements)",
            "  reckoned   hand-over \(handOver), round-trip "
                + prediction.measurements.roundTrip.brief,
            "  predicted  \(prediction)",
        ]
    }

    /// What the switchover compares.
    private static func comparison(_ policy: MigrationPolicy) -> String {
        switch policy.verification {
        case .frame: ""
        case .pages, .audit: ", verify every page"
        case .full: ", hash both memories"
        }
    }

    /// The last line of a command that moved several VMs.
    static func summary(_ outcomes: [MoveOutcome]) -> String {
        let bad = outcomes.compactMap { outcome in
            outcome.error.map { "\(outcome.vm) (\($0.code.rawValue))" }
        }
        let good = outcomes.count - bad.count
        let rest = bad.isEmpty ? "" : "; not: " + bad.joined(separator: ", ")
        return "\(good) of \(outcomes.count) VMs moved\(rest)"
    }
}
