import LinuxSystem
import MigrationModel
import Orchestrator
import Planner
import WireProtocol

/// How far several moves are: as a picture, and in lines where there is none.
struct BatchOverview {
    /// Where it is shown.
    enum Form: Sendable {
        /// As a picture at the bottom of a terminal.
        case picture
        /// In lines that stay.
        case lines
        /// In JSON.
        case json
    }

    /// A line, and where it goes.
    enum Line {
        /// To standard error, to stay.
        case message(String)
        /// An error, to standard error, and in JSON an event as well.
        case failure(LivemigError, vm: String)
        /// In JSON, to standard output.
        case json(String)
    }

    /// How it stands.
    private(set) var picture: BatchPicture
    private let moves: [MoveQueue.Move]
    private let form: Form
    private var places: [MoveQueue.Move: Int] = [:]
    private var told: [VMUUID: String] = [:]
    private var toldOfOthers: Set<VMUUID> = []
    private var lowWaterMarks: [Int: UInt64] = [:]
    private var done = 0

    /// Nothing has begun.
    /// - Parameter title: what the moves are made for, such as `drain alpha`.
    init(_ moves: [MoveQueue.Move], title: String, form: Form, at time: MonotonicTime) {
        self.moves = moves
        self.form = form
        for (place, move) in moves.enumerated() { places[move] = place }
        picture = BatchPicture(
            title: title, began: time,
            rows: moves.map { move in
                BatchPicture.Row(
                    guest: move.guest.text, source: move.from.text, destination: move.to.text,
                    state: .waiting("for moves before it"))
            })
    }

    /// Takes an event in.
    /// - Returns: the lines that are to be shown.
    mutating func take(_ event: MoveBatch.Event, at time: MonotonicTime) -> [Line] {
        switch event {
        case .waiting(let waiting): return take(waiting)
        case .began(let index, _):
            picture.rows[index].state = .moving(MoveProgress(), since: time)
            let move = moves[index]
            return record("\(move.guest): \(move.from) → \(move.to) begins")
        case .move(let index, let event): return take(event, of: index, at: time)
        case .ended(let index, let outcome): return end(index, outcome, at: time)
        case .refused(let index, _):
            // What it waits for comes next, and is said anew.
            told[moves[index].uuid] = nil
            toldOfOthers.remove(moves[index].uuid)
            picture.rows[index].state = .waiting("for moves of others")
            return []
        case .putOff(let index, let outcome, let pause): return putOff(index, outcome, pause)
        case .notBegun(let index, let error):
            picture.rows[index].state = .notBegun(error.code)
            return []
        case .storing(let name, let work, let done, let total):
            let verb = work == .saving ? "saving" : "restoring"
            picture.aside = done < total ? StoringText.line(name, verb, done, total) : nil
            return []
        case .warning(let host, let finding):
            let event = WarningEvent(host: host.text, warning: FindingDocument(finding))
            return [.message(ReportText.warning(finding))]
                + (form == .json ? [.json(JSONText.line(event))] : [])
        case .note(let text): return [.message("livemig: \(text)")]
        }
    }

    /// A line of what the picture shows.
    private func record(_ text: @autoclosure () -> String) -> [Line] {
        form == .lines ? [.message(text())] : []
    }

    private mutating func take(_ waiting: [MoveQueue.Waiting]) -> [Line] {
        var lines: [Line] = []
        var fresh: [String: Int] = [:]
        for entry in waiting {
            let words = entry.description
            if let place = places[entry.move], picture.rows[place].state.isWaiting {
                let reason = words.dropFirst("waits ".count)
                picture.rows[place].state = .waiting(String(reason))
            }
            guard told[entry.move.uuid] != words else { continue }
            let isForOthers = !entry.slotsOfOthers.isEmpty
            // For its own moves it waits in turn; for others nobody knows how long.
            if told[entry.move.uuid] == nil
                || isForOthers && !toldOfOthers.contains(entry.move.uuid)
            {
                fresh[words, default: 0] += 1
            }
            if isForOthers { toldOfOthers.insert(entry.move.uuid) }
            told[entry.move.uuid] = words
            lines.append(.json(JSONText.line(QueuedEvent(entry))))
        }
        guard form != .picture else { return lines }
        return lines
            + fresh.sorted { $0.key < $1.key }.map { words, count in
                .message(
                    count == 1
                        ? "1 VM \(words)"
                        : "\(count) VMs \(words.replacingPrefix("waits", with: "wait"))")
            }
    }

    private mutating func take(
        _ event: MigrationEvent, of index: Int, at time: MonotonicTime
    ) -> [Line] {
        guard case .moving(var progress, let since) = picture.rows[index].state else { return [] }
        progress.take(event, at: time - since)
        picture.rows[index].state = .moving(progress, since: since)
        let move = moves[index]
        var lines: [Line] = []
        switch event {
        case .round(let round):
            let low = lowWaterMarks[index]
            lowWaterMarks[index] = min(round.dirtyPages, low ?? .max)
            lines = record(
                "\(move.from): \(move.guest) \(MoveText.round(round, lowWaterMark: low))")
        case .note(let text): lines = [.message("livemig: \(move.guest): \(text)")]
        case .warning(let finding): lines = [.message(ReportText.warning(finding))]
        case .planned, .measuring, .predicted, .prepared, .phase, .progress: break
        }
        let vm = VMReference(host: move.from, name: move.guest)
        if form == .json, let line = MoveJSON.line(event, vm: vm) { lines.append(.json(line)) }
        return lines
    }

    private mutating func putOff(
        _ index: Int, _ outcome: MoveOutcome, _ pause: Duration
    ) -> [Line] {
        guard let error = outcome.error else { return [] }
        told[moves[index].uuid] = nil
        lowWaterMarks[index] = nil
        picture.rows[index].state = .waiting("for a second try")
        let move = moves[index]
        let reason = [error.what, error.place].filter { !$0.isEmpty }.joined(separator: "; ")
            .onOneLine()
        return [
            .message(
                "livemig: \(move.guest) still runs on \(move.from), and is moved again in "
                    + "\(pause.brief), after \(error.code.rawValue): \(reason)"),
            .json(JSONText.line(RetryEvent(move, after: error, pause: pause))),
        ]
    }

    private mutating func end(
        _ index: Int, _ outcome: MoveOutcome, at time: MonotonicTime
    ) -> [Line] {
        done += 1
        let result = Line.json(JSONText.line(ResultEvent(outcome)))
        if case .moved(let report, let incomplete) = outcome.ending {
            picture.rows[index].state = .moved(
                report.downtime, total: outcome.total, incomplete?.code)
        } else {
            picture.rows[index].state = .failed(outcome.error?.code ?? .internal)
        }
        if let error = outcome.error { return [.failure(error, vm: outcome.vm.name.text), result] }
        guard form != .picture else { return [result] }
        var words = "\(outcome.vm.name): \(outcome.source?.text ?? "") → \(outcome.destination)"
        if case .moved(let report, _) = outcome.ending {
            words += "  blackout \(MoveText.stop(report.downtime)), \(outcome.total.brief)"
        }
        let left = picture.left(at: time).map { ", \($0.words) left" } ?? ""
        return [.message("\(words)  (\(done) of \(moves.count))\(left)"), result]
    }
}

/// `retry`: a move has failed in a way that may pass, and is made once more.
struct RetryEvent: Encodable {
    let event = "retry"
    let time = JSONText.time
    let vm: String
    let source: String
    let destination: String
    let code: String
    let message: String
    let place: String
    let pauseMs: Double

    init(_ move: MoveQueue.Move, after error: LivemigError, pause: Duration) {
        vm = move.guest.text
        source = move.from.text
        destination = move.to.text
        code = error.code.rawValue
        message = error.what
        place = error.place
        pauseMs = pause.jsonMilliseconds
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
