import LinuxSystem
import MigrationModel
import Planner

/// Several moves at a moment: a heading, and a row for each.
struct BatchPicture: LivePicture {
    /// How far a move is.
    enum State: Sendable {
        /// It has not begun, and what it waits for in words, where that is known.
        case waiting(String)
        /// It is under way.
        case moving(MoveProgress, since: MonotonicTime)
        /// The guest is on the destination; the code is of what is left to clean up there.
        case moved(Downtime, total: Duration, ErrorCode?)
        /// It failed.
        case failed(ErrorCode)
        /// It will not begin.
        case notBegun(ErrorCode)
    }

    /// What is shown of a move.
    struct Row: Sendable {
        var guest: String
        var source: String
        var destination: String
        var state: State
    }

    /// What they are made for, such as `drain alpha`.
    var title: String
    /// When the first was to begin.
    var began: MonotonicTime
    /// The moves, in the batch's order.
    var rows: [Row]
    /// What is done beside the moves, such as the saving of a guest; `nil` for nothing.
    var aside: String?

    func lines(in size: ScreenSize, at time: MonotonicTime) -> [LiveLine] {
        let heading = heading(width: size.width, at: time)
        let room = size.height - heading.count
        guard room > 0 else { return Array(heading.prefix(size.height)) }
        guard rows.count > room else { return heading + BatchTable(rows).lines(size.width) }
        let ordered = rows.enumerated().sorted {
            ($0.element.state.order, $0.offset) < ($1.element.state.order, $1.offset)
        }.map(\.element)
        let (shown, folded) = (ordered.prefix(room - 1), ordered.dropFirst(room - 1))
        return heading + BatchTable(Array(shown)).lines(size.width)
            + [Self.fold(folded).clipped(to: size.width)]
    }

    // MARK: The heading

    /// Such as `drain alpha · 2 of 7 done · 2 moving · 3 wait · 12 s · 20–40 s left`, on as many
    /// lines as it takes.
    private func heading(width: Int, at time: MonotonicTime) -> [LiveLine] {
        var parts: [(String, TextStyle.Emphasis)] = [(title, .heading)]
        parts.append(("\(count(\.isSuccess)) of \(rows.count) done", .none))
        let failed = count(\.isFailure)
        if failed > 0 { parts.append(("\(failed) failed", .alarm)) }
        let notBegun = count(\.isNotBegun)
        if notBegun > 0 { parts.append(("\(notBegun) not begun", .alarm)) }
        parts.append(("\(count(\.isMoving)) moving", .none))
        let waiting = count(\.isWaiting)
        if waiting > 0 { parts.append(("\(waiting) wait", .none)) }
        parts.append((Self.clock(time - began), .none))
        if let left = left(at: time) { parts.append(("\(left.words) left", .none)) }
        if let aside { parts.append((aside, .none)) }
        return Self.wrapped(parts, width: width)
    }

    private static func wrapped(
        _ parts: [(String, TextStyle.Emphasis)], width: Int
    ) -> [LiveLine] {
        let separator = " · "
        var lines: [LiveLine] = []
        var line = LiveLine()
        for (text, emphasis) in parts {
            if line.width > 0 {
                if line.width + separator.count + text.count > width {
                    lines.append(line)
                    line = LiveLine()
                    line.add("  ")
                } else {
                    line.add(separator)
                }
            }
            line.add(text, emphasis)
        }
        return (lines + [line]).map { $0.clipped(to: width) }
    }

    /// Such as `42 s`, `3 min 7 s` or `2 h 5 min`.
    static func clock(_ time: Duration) -> String {
        let seconds = Int(min(max(0, time.seconds), 1e9))
        if seconds < 60 { return "\(seconds) s" }
        if seconds < 3600 { return "\(seconds / 60) min \(seconds % 60) s" }
        return "\(seconds / 3600) h \(seconds / 60 % 60) min"
    }

    /// The time that all of them will take.
    func left(at time: MonotonicTime) -> TimeLeft? {
        var durations: [Double] = []
        var moving: [BatchForecast.Moving] = []
        for row in rows {
            switch row.state {
            case .moved(_, let total, _): durations.append(total.seconds)
            case .moving(let progress, let since):
                moving.append(
                    .init(elapsed: (time - since).seconds, forecast: progress.forecast))
            case .waiting, .failed, .notBegun: break
            }
        }
        return BatchForecast.left(
            durations: durations, moving: moving, waiting: count(\.isWaiting))
    }

    private func count(_ fact: (State) -> Bool) -> Int { rows.count { fact($0.state) } }

    // MARK: What has no room

    /// Such as `… 12 more wait, 30 done`.
    private static func fold(_ rows: some Collection<Row>) -> LiveLine {
        let facts: [(String, (State) -> Bool)] = [
            ("moving", \.isMoving), ("failed", \.isFailure),
            ("not begun", \.isNotBegun), ("wait", \.isWaiting), ("done", \.isSuccess),
        ]
        var parts = facts.compactMap { word, fact -> String? in
            let count = rows.count { fact($0.state) }
            return count > 0 ? "\(count) \(word)" : nil
        }
        if let first = parts.first, let space = first.firstIndex(of: " ") {
            parts[0] = first[..<space] + " more" + first[space...]
        }
        var line = LiveLine()
        line.add("… " + parts.joined(separator: ", "))
        return line
    }
}

extension BatchPicture.State {
    var isWaiting: Bool { if case .waiting = self { true } else { false } }
    var isMoving: Bool { if case .moving = self { true } else { false } }
    var isSuccess: Bool { if case .moved(_, _, nil) = self { true } else { false } }
    var isNotBegun: Bool { if case .notBegun = self { true } else { false } }
    var isFailure: Bool { !isWaiting && !isMoving && !isSuccess && !isNotBegun }

    /// What is shown first where there is no room for all.
    fileprivate var order: Int {
        switch self {
        case .moving: 0
        case .failed, .notBegun, .moved(_, _, _?): 1
        case .waiting: 2
        case .moved: 3
        }
    }
}
