import MigrationModel

/// A line of an ssh_config(5) file: a keyword and its arguments.
struct SSHConfigurationLine: Hashable, Sendable {
    /// The keyword in lower case.
    let keyword: String
    let arguments: [String]
    /// The file and line, for messages.
    let place: String

    /// Splits a file into lines.
    /// - Throws: `E-SSHCONFIG` for a quotation mark without its second, and a keyword alone.
    static func parse(_ text: String, path: String) throws(LivemigError) -> [Self] {
        var lines: [Self] = []
        let raw = text.split(omittingEmptySubsequences: false) { $0.isNewline }
        for (index, line) in raw.enumerated() {
            let place = "\(path):\(index + 1)"
            if let line = try Self.parse(line: line, place) { lines.append(line) }
        }
        return lines
    }

    private static func parse(
        line: Substring, _ place: String
    ) throws(LivemigError) -> SSHConfigurationLine? {
        let line = line.drop(while: \.isWhitespace)
        guard let first = line.first, first != "#" else { return nil }
        let keyword = line.prefix { !$0.isWhitespace && $0 != "=" && $0 != "\"" }
        var rest = line.dropFirst(keyword.count).drop(while: \.isWhitespace)
        if rest.first == "=" { rest = rest.dropFirst().drop(while: \.isWhitespace) }
        let name = keyword.lowercased()
        // The command is the rest of the line, however it is quoted.
        let arguments =
            name == "proxycommand" ? [String(rest)] : try words(rest, place)
        guard !arguments.isEmpty else {
            throw LivemigError(
                .sshConfiguration, "\(keyword.debugDescription) has no value", at: place)
        }
        return SSHConfigurationLine(keyword: name, arguments: arguments, place: place)
    }

    /// The words of a line; quotation marks keep blanks, and a `#` begins a comment.
    static func words(_ text: Substring, _ place: String) throws(LivemigError) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var characters = text[...]
        while let next = characters.popFirst() {
            switch (next, quote) {
            case ("\\", _):
                // ssh(1) takes a backslash before a quotation mark, itself or a blank only.
                if let after = characters.first, "\"'\\ ".contains(after) {
                    word = (word ?? "") + String(after)
                    characters.removeFirst()
                } else {
                    word = (word ?? "") + "\\"
                }
            case (let mark, let open?) where mark == open: quote = nil
            case ("\"", nil), ("'", nil):
                quote = next
                word = word ?? ""
            case ("#", nil) where word == nil: return words
            case (let blank, nil) where blank.isWhitespace:
                if let done = word { words.append(done) }
                word = nil
            default: word = (word ?? "") + String(next)
            }
        }
        guard quote == nil else {
            throw LivemigError(.sshConfiguration, "a quotation mark without its second", at: place)
        }
        if let word { words.append(word) }
        return words
    }
}

/// Patterns of ssh_config(5), "PATTERNS".
enum SSHPattern {
    /// Whether one of several patterns matches, and none with `!` before it.
    static func matches(_ patterns: [String], _ names: [String]) -> Bool {
        var isMatch = false
        for pattern in patterns {
            let isNegated = pattern.hasPrefix("!")
            let plain = isNegated ? String(pattern.dropFirst()) : pattern
            guard names.contains(where: { matches(plain, $0) }) else { continue }
            if isNegated { return false }
            isMatch = true
        }
        return isMatch
    }

    /// Whether a pattern of `*`, `?` and other characters matches all of a text, whatever the case.
    ///
    /// Takes time in proportion to the product of both lengths at most.
    static func matches(_ pattern: String, _ text: String) -> Bool {
        let (pattern, text) = (Array(pattern.lowercased()), Array(text.lowercased()))
        var (index, position) = (0, 0)
        var star: (index: Int, position: Int)?
        while position < text.count {
            if index < pattern.count, pattern[index] == "*" {
                star = (index, position)
                index += 1
            } else if index < pattern.count,
                pattern[index] == "?" || pattern[index] == text[position]
            {
                index += 1
                position += 1
            } else if let last = star {
                index = last.index + 1
                position = last.position + 1
                star = (last.index, position)
            } else {
                return false
            }
        }
        return pattern[index...].allSatisfy { $0 == "*" }
    }
}
