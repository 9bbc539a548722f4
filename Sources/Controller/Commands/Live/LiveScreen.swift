import LinuxSystem

/// A terminal's size, in characters.
struct ScreenSize: Hashable, Sendable {
    var columns: Int
    var rows: Int

    /// The widest line: the last column stays free, where some terminals would wrap.
    var width: Int { max(1, columns - 1) }
    /// The most lines: the cursor has one to itself below them.
    var height: Int { max(1, rows - 1) }
}

/// What stands at a terminal's bottom while a command runs.
protocol LivePicture: Sendable {
    /// The lines within a size.
    /// - Parameter time: now.
    func lines(in size: ScreenSize, at time: MonotonicTime) -> [LiveLine]
}

/// The lines that are drawn over themselves at a terminal's bottom.
///
/// Works out what to write. Nothing of the terminal is changed beyond one drawing: its modes stay,
/// its cursor is hidden for the length of a write, so that nothing has to be restored by whoever
/// ends, by whatever signal.
struct LiveScreen {
    private var shown: [LiveLine] = []
    private var size: ScreenSize?

    /// Hides the cursor, and keeps lines from wrapping where the terminal has become narrower than
    /// it has said so far.
    private static let begin = "\u{1B}[?25l\u{1B}[?7l"
    private static let end = "\u{1B}[?7h\u{1B}[?25h"
    private static let eraseLine = "\u{1B}[K"
    private static let eraseBelow = "\u{1B}[J"

    /// Draws lines over those that are shown.
    /// - Returns: what to write; nothing where they are the same.
    mutating func draw(_ lines: [LiveLine], in size: ScreenSize, style: TextStyle) -> [UInt8] {
        let lines = lines.prefix(size.height).map { $0.clipped(to: size.width) }
        guard lines != shown || size != self.size else { return [] }
        var text = Self.begin + start(in: size)
        for line in lines { text += line.text(style) + Self.eraseLine + "\r\n" }
        shown = lines
        self.size = size
        return Array((text + Self.eraseBelow + Self.end).utf8)
    }

    /// Erases what is shown.
    ///
    /// Not by one order from the first line on: at a screen's top, terminals take that for
    /// clearing the screen, and move all lines into the scroll-back.
    /// - Returns: what to write, in one write with what comes in its place.
    mutating func erase(in size: ScreenSize) -> [UInt8] {
        guard !shown.isEmpty else { return [] }
        defer { forget() }
        let text = start(in: size) + Self.eraseLine + "\r\n" + Self.eraseBelow + "\u{1B}[1A"
        return Array(text.utf8)
    }

    /// Leaves what is shown where it is: somebody else has written below it.
    mutating func forget() {
        shown = []
        size = nil
    }

    /// Goes to the first line.
    ///
    /// A terminal that has become narrower has broken lines in two.
    private func start(in size: ScreenSize) -> String {
        let columns = max(1, size.columns)
        let rows = shown.reduce(0) { $0 + max(1, ($1.text().count + columns - 1) / columns) }
        return rows == 0 ? "\r" : "\r\u{1B}[\(rows)A"
    }
}
