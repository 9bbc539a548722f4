import MigrationModel

/// Rows of moves whose columns line up.
struct BatchTable {
    private let rows: [BatchPicture.Row]
    private let hasOneSource: Bool

    /// What a column of names has at least, in characters, where the line is narrow.
    private static let least = 8
    /// From this width on the column of states has always the same width, in characters.
    private static let roomy = 60
    private static let longestPhase = "switchover".count
    private static let gap = "  "

    init(_ rows: [BatchPicture.Row]) {
        self.rows = rows.map { row in
            var row = row
            row.guest = row.guest.onOneLine()
            row.source = row.source.onOneLine()
            row.destination = row.destination.onOneLine()
            return row
        }
        hasOneSource = Set(rows.map(\.source)).count < 2
    }

    /// A line for each row.
    func lines(_ width: Int) -> [LiveLine] {
        let guest = column(rows.map(\.guest), share: width / 4)
        let route = column(rows.map(route), share: width / 4)
        let words = rows.map { $0.state.words(to: $0.destination) }
        let state = words.reduce(width < Self.roomy ? 0 : Self.longestPhase) {
            max($0, $1.word.count)
        }
        let room = width - guest - route - state - 3 * Self.gap.count
        let widths = columns(rows.map { cells($0.state) }, within: room)
        return zip(rows, words).map { row, words in
            var line = LiveLine()
            line.add(cell(row.guest, guest) + Self.gap)
            line.add(cell(self.route(row), route) + Self.gap)
            line.add(words.word.padded(to: state), words.emphasis)
            let cells = cells(row.state)
            if cells.isEmpty { line.add(Self.gap + words.more) }
            for (cell, width) in zip(cells, widths) where width > 0 {
                line.add(Self.gap)
                line.add(cell.text.padded(to: width), cell.emphasis)
            }
            return line.clipped(to: width)
        }
    }

    private func route(_ row: BatchPicture.Row) -> String {
        hasOneSource ? "→ \(row.destination)" : "\(row.source) → \(row.destination)"
    }

    private func column(_ texts: [String], share: Int) -> Int {
        min(texts.map(\.count).max() ?? 0, max(share, Self.least))
    }

    private func cell(_ text: String, _ width: Int) -> String {
        text.count <= width ? text.padded(to: width) : text.prefix(width - 1) + "…"
    }

    // MARK: Numbers of those that move

    private struct Cell {
        var text: String
        var emphasis = TextStyle.Emphasis.none
    }

    /// In which order the columns of `cells` are left out where there is no room for all.
    private static let dispensable = [1, 4, 3, 2, 5]
    /// The bar's length, in characters.
    private static let barWidth = 10

    /// How much of the round is sent, as a number and as a bar, how fast, against how much the
    /// guest writes, the low-water mark, and the time left.
    private func cells(_ state: BatchPicture.State) -> [Cell] {
        guard case .moving(let progress, _) = state, case .sending = progress.stage else {
            return []
        }
        let forecast = progress.forecast
        return [
            Cell(text: progress.round.words), Cell(text: Self.bar(progress.round.percent)),
            Cell(text: progress.sent ?? ""), Cell(text: progress.dirtied ?? ""),
            Cell(text: progress.low ?? ""),
            Cell(text: forecast.words, emphasis: forecast.emphasis),
        ]
    }

    private static func bar(_ percent: Int) -> String {
        let full = min(barWidth, max(0, percent) * barWidth / 100)
        return String(repeating: "█", count: full)
            + String(repeating: "░", count: barWidth - full)
    }

    /// The widths of the columns, 0 for those that have no room.
    private func columns(_ table: [[Cell]], within room: Int) -> [Int] {
        guard let first = table.first(where: { !$0.isEmpty }) else { return [] }
        var widths = first.indices.map { index in
            table.map { $0.isEmpty ? 0 : $0[index].text.count }.max() ?? 0
        }
        for index in Self.dispensable {
            let total = widths.reduce(0) { $0 + ($1 > 0 ? $1 + Self.gap.count : 0) }
            if total <= room + Self.gap.count { break }
            widths[index] = 0
        }
        return widths
    }
}

extension BatchPicture.State {
    /// The state, and what more there is to say of it.
    fileprivate func words(
        to destination: String
    ) -> (word: String, more: String, emphasis: TextStyle.Emphasis) {
        switch self {
        case .waiting(let reason): ("waits", reason, .none)
        case .moving(let progress, _):
            (progress.word, progress.explanation(to: destination), .none)
        case .moved(let downtime, let total, let code):
            (
                "done",
                "blackout \(MoveText.stop(downtime)), \(total.brief)"
                    + (code.map { ", \($0.rawValue)" } ?? ""), code == nil ? .good : .alarm
            )
        case .failed(let code): ("failed", code.rawValue, .alarm)
        case .notBegun(let code): ("not begun", code.rawValue, .alarm)
        }
    }
}
