import Glibc

/// The characters that the user's locale has, as far as output depends on them.
///
/// Text goes out as UTF-8. Where the locale says that a terminal or a log does not take it, signs
/// beyond ASCII are replaced by others of the same meaning. JSON is UTF-8 everywhere (RFC 8259, 8.1).
enum Characters: Hashable, Sendable {
    case ascii, unicode

    /// By the environment of this process.
    static let ofLocale = Characters { name in
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    /// Decides by the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set and not empty (POSIX,
    /// Environment Variables, 8.2).
    ///
    /// Where none is, nobody has asked for ASCII: services and logins by SSH often have none.
    init(_ variable: (String) -> String?) {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap(variable)
            .first { !$0.isEmpty }
        let name = locale?.lowercased() ?? "utf-8"
        self = name.contains("utf-8") || name.contains("utf8") ? .unicode : .ascii
    }

    /// The text in these characters; a sign without a counterpart is written as `\u{…}`.
    func shown(_ text: String) -> String {
        guard self == .ascii, !text.utf8.allSatisfy({ $0 < 0x80 }) else { return text }
        return text.unicodeScalars.reduce(into: "") { shown, scalar in
            if scalar.isASCII {
                shown.unicodeScalars.append(scalar)
            } else {
                shown +=
                    Self.counterparts[scalar]
                    ?? "\\u{" + String(scalar.value, radix: 16) + "}"
            }
        }
    }

    /// The text with one character for each, for lines whose width counts.
    func fitting(_ text: String) -> String {
        guard self == .ascii, !text.utf8.allSatisfy({ $0 < 0x80 }) else { return text }
        return String(
            text.map { character in
                guard !character.isASCII else { return character }
                let scalar = character.unicodeScalars.first
                return scalar.flatMap { Self.narrow[$0] ?? Self.counterparts[$0]?.first } ?? "?"
            })
    }

    private static let narrow: [Unicode.Scalar: Character] = ["→": ">", "…": "~"]

    private static let counterparts: [Unicode.Scalar: String] = [
        "→": "->", "←": "<-", "↔": "<->", "…": "...", "·": "-", "×": "x", "–": "-", "—": "--",
        "−": "-", "≤": "<=", "≥": ">=", "≈": "~", "µ": "u", "μ": "u", "±": "+/-", "°": "deg",
        "█": "#", "░": ".", "▒": ":", "▓": "#", "│": "|", "─": "-", "├": "|", "└": "`", "┌": "+",
        "┐": "+", "┘": "+", "┼": "+", "•": "*", "✓": "ok", "✗": "x", "★": "*", "☆": ".",
        "‘": "'", "’": "'", "“": "\"", "”": "\"", "\u{A0}": " ", "\u{202F}": " ", "\u{2009}": " ",
    ]
}
