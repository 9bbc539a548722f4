import History
import MigrationModel
import Planner

/// Moves of the history as text.
enum HistoryText {
    /// How many digits of an id a list shows.
    static let idLength = 8

    static func list(_ records: [MoveRecord]) -> [String] {
        guard !records.isEmpty else { return [] }
        let head = ["TIME", "ID", "VM", "FROM → TO", "OUTCOME", "BLACKOUT", "TOTAL", "SENT"]
        return TextTable.lines(
            [head]
                + records.map { record in
                    [
                        record.started.local, String(record.id.description.prefix(idLength)),
                        record.vm, way(record), outcome(record),
                        record.ending?.measured.map { MoveText.stop($0.downtime) } ?? "-",
                        record.ending?.total.brief ?? "-", size(record.wireBytes),
                    ]
                })
    }

    static func show(_ record: MoveRecord) -> [String] {
        var lines = TextTable.lines(facts(record))
        if !record.rounds.isEmpty {
            lines += [""] + TextTable.lines(rounds(record.rounds))
        }
        if !record.phases.isEmpty {
            let rows = record.phases.map { [$0.name, $0.after.brief] }
            lines += [""] + TextTable.lines([["PHASE", "AFTER"]] + rows)
        }
        return lines
    }

    /// The line about moves that could not be recorded.
    static func warning(_ missing: HistoryWriter.Missing) -> String {
        let what = missing.count == 1 ? "1 move is" : "\(missing.count) moves are"
        return "livemig: warning: \(what) not in the history: \(missing.reason.explanation)"
    }

    private static func way(_ record: MoveRecord) -> String {
        "\(record.source ?? "?") → \(record.destination)"
    }

    private static func outcome(_ record: MoveRecord) -> String {
        switch record.state {
        case .running: "running"
        case .interrupted: "interrupted"
        case .ended(let ending):
            [ending.outcome.rawValue, ending.error?.code].compactMap { $0 }.joined(separator: " ")
        }
    }

    private static func size(_ bytes: UInt64?) -> String {
        bytes.map { ByteCount($0).description } ?? "-"
    }

    // MARK: One move

    private static func facts(_ record: MoveRecord) -> [[String]] {
        var rows = [
            ["id", record.id.description], ["vm", record.vm],
            ["uuid", record.uuid?.description ?? "-"], ["from → to", way(record)],
            ["command", record.command.rawValue], ["policy", policy(record.policy)],
        ]
        if let prediction = record.prediction { rows.append(["predicted", words(prediction)]) }
        rows.append(["started", record.started.local])
        switch record.state {
        case .running(let process):
            rows.append(["outcome", "running, by process \(process.id)"])
        case .interrupted(let process):
            rows.append(["outcome", "interrupted, for process \(process.id) is gone"])
        case .ended(let ending): rows += facts(ending, of: record)
        }
        return rows
    }

    private static func facts(_ ending: MoveRecord.Ending, of record: MoveRecord) -> [[String]] {
        var rows = [
            ["ended", (record.started + ending.total).local],
            ["outcome", "\(outcome(record)) (exit code \(ending.exitCode))"],
        ]
        let errors: [(String, MoveRecord.Failure?)] = [
            ("error", ending.error), ("source said", ending.sourceError),
            ("destination said", ending.destinationError),
        ]
        for case (let name, let failure?) in errors { rows.append([name, words(failure)]) }
        rows.append(["guest", ending.guest.map(words) ?? "on no host that was asked"])
        rows.append(["total", ending.total.brief])
        guard let measured = ending.measured else {
            return rows + [["sent", size(record.wireBytes)]]
        }
        if let prediction = record.prediction {
            rows.append(["as predicted", verdict(prediction, measured)])
        }
        let parts = MoveText.blackout(measured.downtime).dropFirst("blackout ".count)
        let pages = measured.pages
        return rows + [
            ["transfer", measured.transfer.brief], ["blackout", String(parts)],
            ["sent", "\(size(measured.wireBytes)) for \(size(measured.guestBytes)) of RAM"],
            [
                "pages",
                "\(pages.sent.grouped) sent, \(pages.zero.grouped) zero, "
                    + "\(pages.unchanged.grouped) unchanged",
            ],
            ["verified", measured.verified ?? "\(measured.differing)"],
        ]
    }

    private static func words(_ failure: MoveRecord.Failure) -> String {
        let text = [failure.what, failure.place, failure.fix].filter { !$0.isEmpty }
        return "\(failure.code): " + text.joined(separator: "; ")
    }

    private static func words(_ guest: GuestLocation) -> String {
        let place = guest.host.isEmpty ? "" : " on \(guest.host) (epoch \(guest.epoch))"
        return guest.state.rawValue + place
    }

    private static func policy(_ policy: MovePolicyRecord) -> String {
        var words = [
            "max-downtime \(brief(policy.maxDowntimeMs))", "timeout \(brief(policy.timeoutMs))",
            "on-timeout \(policy.onTimeout)", "compression \(policy.compression)",
            "path \(policy.path)", "verify \(policy.verify)",
        ]
        if let lanes = policy.lanes { words.append("lanes \(lanes)") }
        if let rate = policy.bandwidth {
            words.append("bandwidth \(Bandwidth(bytesPerSecond: rate))")
        }
        if policy.keepPaused { words.append("keep-paused") }
        return words.joined(separator: ", ")
    }

    private static func words(_ prediction: MovePrediction) -> String {
        let rounds = "\(prediction.rounds.low)–\(prediction.rounds.high) rounds"
        let spans = [(prediction.totalMs, "of transfer"), (prediction.blackoutMs, "blackout")]
        return ([rounds] + spans.map { span, word in "\(words(span)) \(word)" })
            .joined(separator: ", ")
    }

    /// Such as `1.5–4.0 s`.
    private static func words(_ span: MovePrediction.Span<Double>) -> String {
        let low = min(max(span.low, 0), 1e12)
        let high = min(max(span.high, low), 1e12)
        return (Duration.milliseconds(low)...Duration.milliseconds(high)).brief
    }

    /// `yes`, or what was outside, such as `no: blackout`.
    private static func verdict(
        _ prediction: MovePrediction, _ measured: MoveRecord.Measurements
    ) -> String {
        let facts = [
            ("rounds", prediction.rounds.contains(measured.rounds)),
            ("transfer", prediction.totalMs.contains(measured.transfer.milliseconds)),
            ("blackout", prediction.blackoutMs.contains(measured.downtime.total.milliseconds)),
        ]
        let outside = facts.filter { !$0.1 }.map(\.0)
        return outside.isEmpty ? "yes" : "no: " + outside.joined(separator: ", ")
    }

    private static func brief(_ milliseconds: Double) -> String {
        Duration.milliseconds(min(max(milliseconds, 0), 1e12)).brief
    }

    private static func rounds(_ rounds: [RoundReport]) -> [[String]] {
        [["ROUND", "DIRTY", "SENT", "RATE", "DIRTIED", "TOOK"]]
            + rounds.map { round in
                [
                    String(round.number), size(round.dirtyPages.bytesOfPages),
                    size(round.wireBytes), MoveText.rate(round.rate),
                    MoveText.rate(round.dirtyRate), round.duration.brief,
                ]
            }
    }
}
