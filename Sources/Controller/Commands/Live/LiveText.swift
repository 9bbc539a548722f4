import LinuxSystem
import MigrationModel

/// A line of which parts stand out.
struct LiveLine: Hashable, Sendable {
    /// A part.
    struct Part: Hashable, Sendable {
        var text: String
        var emphasis: TextStyle.Emphasis
    }

    private(set) var parts: [Part] = []

    /// Adds a part; what a terminal would obey in it is shown, not obeyed.
    mutating func add(_ text: String, _ emphasis: TextStyle.Emphasis = .none) {
        let text = Characters.ofLocale.fitting(text.onOneLine())
        parts.append(Part(text: text, emphasis: emphasis))
    }

    /// Characters, each of which takes a column.
    var width: Int { parts.reduce(0) { $0 + $1.text.count } }

    /// The line with at most that many characters, the last one `…` when it was longer.
    func clipped(to limit: Int) -> LiveLine {
        guard width > limit else { return self }
        var line = LiveLine()
        var room = max(0, limit - 1)
        for part in parts where room > 0 {
            line.parts.append(Part(text: String(part.text.prefix(room)), emphasis: part.emphasis))
            room -= min(room, part.text.count)
        }
        if limit > 0 { line.add("…") }
        return line
    }

    /// The line as it is written, without spaces at its end.
    func text(_ style: TextStyle = .plain) -> String {
        var parts = parts
        while let last = parts.last {
            let text = last.text.withoutTrailingSpaces
            parts[parts.count - 1].text = text
            guard text.isEmpty else { break }
            parts.removeLast()
        }
        return parts.map { style.text($0.text, $0.emphasis) }.joined()
    }
}

/// One line that leaves out what matters least where it has no room.
struct FittingLine: LivePicture, Hashable {
    /// A part, and how much it matters.
    struct Part: Hashable, Sendable {
        var text: String
        /// Lower ones are left out first.
        var rank: Int
        var emphasis: TextStyle.Emphasis = .none
    }

    /// What always stands at its beginning.
    var start: String
    /// What follows, each part after a comma.
    var parts: [Part] = []

    /// The line within a width, in characters.
    func line(width limit: Int) -> LiveLine {
        var kept = parts
        while true {
            var line = LiveLine()
            line.add(start)
            for part in kept {
                line.add(", ")
                line.add(part.text, part.emphasis)
            }
            guard line.width > limit, let least = kept.map(\.rank).min() else {
                return line.clipped(to: limit)
            }
            kept.removeAll { $0.rank == least }
        }
    }

    func lines(in size: ScreenSize, at time: MonotonicTime) -> [LiveLine] {
        [line(width: size.width)]
    }
}

extension String {
    fileprivate var withoutTrailingSpaces: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
