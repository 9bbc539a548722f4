import LinuxSystem
import MigrationModel
import Orchestrator
import Planner
import WireProtocol

/// How far several moves are, in lines.
struct BatchOverview {
    /// A line, and where it goes.
    enum Line {
        /// To standard error, to stay.
        case message(String)
        /// An error, to standard error, and in JSON an event as well.
        case failure(LivemigError, vm: String)
        /// To the live line.
        case live(String)
        /// In JSON, to standard output.
        case json(String)
    }

    private struct Active {
        let request: MoveRequest
        let began: MonotonicTime
        var words = "asking both hosts"
        var progress = RoundProgress()
    }

    private let moves: [MoveQueue.Move]
    private var active: [Int: Active] = [:]
    private var waiting: [MoveQueue.Waiting] = []
    private var told: [VMUUID: String] = [:]
    private var done = 0
    private var failed = 0

    init(_ moves: [MoveQueue.Move]) { self.moves = moves }

    /// Takes an event in.
    /// - Returns: what is to be shown.
    mutating func take(_ event: MoveBatch.Event) -> [Line] {
        switch event {
        case .waiting(let waiting): return take(waiting)
        case .began(let index, let request):
            active[index] = Active(request: request, began: .now)
            waiting.removeAll { $0.move == moves[index] }
            return [.live(overview)]
        case .move(let index, let event): return take(event, of: index)
        case .ended(let index, let outcome): return end(index, outcome)
        case .note(let text): return [.message("livemig: \(text)")]
        }
    }

    private mutating func take(_ waiting: [MoveQueue.Waiting]) -> [Line] {
        self.waiting = waiting
        var lines: [Line] = []
        var fresh: [String: Int] = [:]
        for entry in waiting {
            let words = entry.description
            guard told[entry.move.uuid] != words else { continue }
            if told[entry.move.uuid] == nil { fresh[words, default: 0] += 1 }
            told[entry.move.uuid] = words
            lines.append(.json(JSONText.line(QueuedEvent(entry))))
        }
        lines += fresh.sorted { $0.key < $1.key }.map { words, count in
            .message(
                count == 1
                    ? "1 VM \(words)"
                    : "\(count) VMs \(words.replacingPrefix("waits", with: "wait"))")
        }
        return lines + [.live(overview)]
    }

    private mutating func take(_ event: MigrationEvent, of index: Int) -> [Line] {
        guard var entry = active[index] else { return [] }
        defer { active[index] = entry }
        var lines: [Line] = []
        switch event {
        case .planned, .prepared, .predicted: entry.words = "preparing"
        case .measuring: entry.words = "measuring the guest"
        case .phase(let phase): entry.words = phase.name
        case .round(let round):
            entry.progress = RoundProgress()
            entry.words = "round \(round.number) done"
        case .progress(let message):
            entry.progress.add(message, at: entry.began.elapsed)
            entry.words = entry.progress.description
        case .note(let text): lines.append(.message("livemig: \(entry.request.vm.name): \(text)"))
        }
        active[index] = entry
        if let line = MoveJSON.line(event, vm: entry.request.vm) { lines.append(.json(line)) }
        return lines + [.live(overview)]
    }

    private mutating func end(_ index: Int, _ outcome: MoveOutcome) -> [Line] {
        active[index] = nil
        done += 1
        let result = Line.json(JSONText.line(ResultEvent(outcome)))
        if let error = outcome.error {
            failed += 1
            return [.failure(error, vm: outcome.vm.name.text), result, .live(overview)]
        }
        var words = "\(outcome.vm.name): \(outcome.source?.text ?? "") → \(outcome.destination)"
        if case .moved(let report, _) = outcome.ending {
            words += "  blackout \(MoveText.stop(report.downtime)), \(outcome.total.brief)"
        }
        return [.message("\(words)  (\(done) of \(moves.count))"), result, .live(overview)]
    }

    /// Such as `3 of 7 done, 1 failed · web1 → beta round 2  45 % … · 2 wait`.
    private var overview: String {
        let failures = failed == 0 ? "" : ", \(failed) failed"
        let moving = active.sorted { $0.key < $1.key }.map { _, entry in
            "\(entry.request.vm.name) → \(entry.request.destination) \(entry.words)"
        }
        let rest = waiting.isEmpty ? [] : ["\(waiting.count) wait"]
        return (["\(done) of \(moves.count) done\(failures)"] + moving + rest)
            .joined(separator: " · ")
    }
}

/// `queued`: a move waits for others.
struct QueuedEvent: Encodable {
    let event = "queued"
    let time = JSONText.time
    let vm: String
    let source: String
    let destination: String
    let position: Int
    let waitsFor: [String]

    init(_ waiting: MoveQueue.Waiting) {
        vm = waiting.move.guest.text
        source = waiting.move.from.text
        destination = waiting.move.to.text
        position = waiting.position
        waitsFor = waiting.reasons.map(\.description)
    }
}

extension String {
    fileprivate func replacingPrefix(_ prefix: String, with other: String) -> String {
        hasPrefix(prefix) ? other + dropFirst(prefix.count) : self
    }
}
