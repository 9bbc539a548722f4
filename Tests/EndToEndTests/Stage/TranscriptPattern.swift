import TestSupport

/// A line that output must be equal to, but for what differs from run to run, which has a name:
/// `<duration>`, `<size>`; `...` alone stands for any lines, and spaces for any number of them.
struct TranscriptPattern {
    /// As it stands in the transcript.
    let text: String
    private let expression: Regex<AnyRegexOutput>

    /// What each name stands for.
    private static let names = [
        "chosen": "[a-z]+",
        "duration": #"[0-9][0-9.]* (?:µs|ms|s|min|h)\b(?: [0-9]+ s\b)?"#,
        "id": "[0-9a-f]{8,32}",
        "number": "[0-9][0-9,.]*",
        "path": #"/[^ ;:"]*"#,
        "rate": "[0-9][0-9.]* (?:B|KiB|MiB|GiB)/s",
        "sha256": #"SHA256:[A-Za-z0-9+\/]{43}"#,
        "size": #"[0-9][0-9.]* (?:bytes|B|KiB|MiB|GiB|TiB)\b"#,
        "time": #"(?:[0-9-]{10}[ T])?[0-9]{2}:[0-9]{2}[0-9:.]*(?: ?[+-][0-9]{2}:[0-9]{2}|Z)?"#,
        "uuid": "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "version": #"[0-9]+\.[0-9]+[0-9A-Za-z.+~-]*"#,
        "words": ".+",
    ]

    /// What is named when a transcript is written anew, in this order.
    private static let recognised = ["sha256", "uuid", "rate", "size", "duration"]

    var standsForAnyLines: Bool { text == "..." }

    /// - Parameters:
    ///   - text: the line of the transcript.
    ///   - filled: the same, its placeholders replaced.
    init(_ text: String, filled: String) throws {
        self.text = text
        var pattern = ""
        var rest = filled[...]
        while let character = rest.first {
            if character == "<", let end = rest.firstIndex(of: ">"),
                let meaning = Self.names[String(rest[rest.index(after: rest.startIndex)..<end])]
            {
                pattern += "(?:\(meaning))"
                rest = rest[rest.index(after: end)...]
            } else {
                pattern += Self.literal(character)
                rest.removeFirst()
                if character == " " { rest = rest.drop { $0 == " " } }
            }
        }
        expression = try Regex(pattern)
    }

    private static func literal(_ character: Character) -> String {
        if character == " " { return " +" }
        guard character.isASCII, !character.isLetter, !character.isNumber else {
            return String(character)
        }
        let code = character.unicodeScalars.first?.value ?? 0
        return "\\u{\(String(code, radix: 16))}"
    }

    func matches(_ line: String) -> Bool {
        (try? expression.wholeMatch(in: line)) != nil
    }

    /// A line of output with names in place of what differs from run to run.
    static func generalised(_ line: String) throws -> String {
        try recognised.reduce(line) { line, name in
            try line.replacing(Regex(names[name] ?? name), with: "<\(name)>")
        }
    }
}

/// Output beside what was expected.
struct TranscriptComparison {
    private let expected: [TranscriptPattern]
    private let actual: [String]

    /// Trailing spaces and empty lines do not count.
    init(_ expected: [TranscriptPattern], _ actual: [String]) {
        self.expected = expected
        self.actual = actual
    }

    var holds: Bool { Self.holds(expected[...], actual[...]) }

    private static func holds(
        _ expected: ArraySlice<TranscriptPattern>, _ actual: ArraySlice<String>
    ) -> Bool {
        guard let first = expected.first else { return actual.isEmpty }
        let others = expected.dropFirst()
        if first.standsForAnyLines {
            return (actual.startIndex...actual.endIndex).contains { holds(others, actual[$0...]) }
        }
        guard let line = actual.first, first.matches(line) else { return false }
        return holds(others, actual.dropFirst())
    }

    /// All lines in order: `-` was expected and is missing, `+` was printed and not expected.
    func difference(_ mark: String) -> [String] {
        // The longest common part, from the end (Wagner and Fischer).
        var common = Array(
            repeating: Array(repeating: 0, count: actual.count + 1), count: expected.count + 1)
        for i in expected.indices.reversed() {
            for j in actual.indices.reversed() {
                common[i][j] =
                    expected[i].matches(actual[j])
                    ? common[i + 1][j + 1] + 1 : max(common[i + 1][j], common[i][j + 1])
            }
        }
        var (i, j) = (0, 0)
        var lines: [String] = []
        while i < expected.count || j < actual.count {
            if i < expected.count, j < actual.count, expected[i].matches(actual[j]) {
                lines.append("   \(mark)\(actual[j])")
                (i, j) = (i + 1, j + 1)
            } else if j == actual.count
                || i < expected.count && common[i + 1][j] >= common[i][j + 1]
            {
                lines.append(" - \(mark)\(expected[i].text)")
                i += 1
            } else {
                lines.append(" + \(mark)\(actual[j])")
                j += 1
            }
        }
        return lines
    }
}
