import MigrationModel

/// Whether text is coloured (ECMA-48, SGR).
enum TextStyle: Sendable {
    case plain, colored

    /// How a text stands out.
    enum Emphasis: Hashable, Sendable {
        case none, heading, good, alarm
    }

    /// The text as it stands out.
    func text(_ text: String, _ emphasis: Emphasis) -> String {
        let code =
            switch (self, emphasis) {
            case (.plain, _), (.colored, .none): ""
            case (.colored, .heading): "1"
            case (.colored, .good): "32"
            case (.colored, .alarm): "1;31"
            }
        return code.isEmpty || text.isEmpty ? text : "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }

    /// The text in bold red.
    func alarm(_ text: String) -> String { self.text(text, .alarm) }
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
