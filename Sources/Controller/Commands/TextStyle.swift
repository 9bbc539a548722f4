import MigrationModel

/// Whether text is coloured (ECMA-48, SGR).
enum TextStyle: Sendable {
    case plain, colored

    /// The text in bold red.
    func alarm(_ text: String) -> String {
        switch self {
        case .plain: text
        case .colored: "\u{1B}[1;31m\(text)\u{1B}[0m"
        }
    }
}

/// The line that is drawn over itself.
enum LiveLine {
    /// Goes to the line's start and erases it.
    static let clear = Array("\r\u{1B}[K".utf8)

    /// Draws a line that is cut so that it never reaches the terminal's last column, where it would
    /// wrap.
    static func draw(_ line: String, width: Int) -> [UInt8] {
        clear + Array(clip(line, to: max(1, width - 1)).utf8)
    }

    /// The line with at most that many characters, the last one `…` when it was longer.
    static func clip(_ line: String, to width: Int) -> String {
        line.count <= width ? line : line.prefix(max(0, width - 1)) + "…"
    }
}

/// Errors as users see them.
enum ErrorText {
    /// `livemig: error[E-CODE]: what; where; what to do`.
    static func line(_ error: LivemigError, style: TextStyle = .plain) -> String {
        line(code: error.code, error.explanation, style: style)
    }

    static func line(code: ErrorCode, _ text: String, style: TextStyle = .plain) -> String {
        "livemig: \(style.alarm("error[\(code.rawValue)]:")) \(text)"
    }
}
