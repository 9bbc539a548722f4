/// One line of an authorized_keys file (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"), as far as livemig
/// has to understand it; its bytes stay as they are.
struct AuthorizedLine {
    /// What stands before the key, each with its value; none for a key without options.
    var options: [Option]
    /// The kind of key, such as `ssh-ed25519`.
    var kind: String
    /// The key in base64.
    var blob: String
    /// What stands behind the key.
    var comment: String

    /// An option such as `restrict` or `from="10.0.0.0/8"`.
    struct Option: Hashable {
        /// Its name, in lower case: sshd compares it so.
        var name: String
        /// All of it, with quotes and escapes.
        var text: String

        /// The value without quotes and escapes; `nil` for an option without one.
        var value: String? {
            guard let start = text.firstIndex(of: "=") else { return nil }
            var quoted = text[text.index(after: start)...]
            guard quoted.first == "\"", quoted.count > 1 else { return String(quoted) }
            quoted = quoted.dropFirst()
            if quoted.last == "\"" { quoted = quoted.dropLast() }
            return String(quoted.replacing("\\\"", with: "\""))
        }
    }

    /// Reads a line without its line feed; `nil` for an empty one, a comment, and one that sshd
    /// would not understand either.
    ///
    /// Bytes that are not UTF-8 can only be in a comment or an option of somebody else's.
    init?(_ bytes: some Collection<UInt8>) {
        var rest = String(decoding: bytes, as: UTF8.self)[...]
        Self.skipBlanks(&rest)
        guard let first = rest.first, first != "#" else { return nil }
        options = []
        if !Self.startsWithKind(rest) {
            options = Self.takeOptions(&rest)
            Self.skipBlanks(&rest)
        }
        guard Self.startsWithKind(rest) else { return nil }
        kind = Self.takeWord(&rest)
        blob = Self.takeWord(&rest)
        comment = String(rest)
        while comment.last?.isWhitespace ?? false { comment.removeLast() }
        guard !blob.isEmpty else { return nil }
    }

    /// States a line.
    init(options: [Option], kind: String, blob: String, comment: String) {
        self.options = options
        self.kind = kind
        self.blob = blob
        self.comment = comment
    }

    /// The line without a line feed.
    var text: String {
        let key = "\(kind) \(blob) \(comment)"
        return options.isEmpty ? key : options.map(\.text).joined(separator: ",") + " " + key
    }

    /// Whether a word is the name of a kind of key, or of a certificate.
    static func isKind(_ word: Substring) -> Bool {
        ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].contains { word.hasPrefix($0) }
            && !word.contains("=") && !word.contains("\"") && !word.contains(",")
    }

    private static func startsWithKind(_ text: Substring) -> Bool {
        isKind(text.prefix { !isBlank($0) })
    }

    private static func isBlank(_ character: Character) -> Bool {
        character == " " || character == "\t"
    }

    private static func skipBlanks(_ text: inout Substring) { text = text.drop(while: isBlank) }

    private static func takeWord(_ text: inout Substring) -> String {
        let word = text.prefix { !isBlank($0) && $0 != "\r" && $0 != "\r\n" }
        text = text[word.endIndex...]
        skipBlanks(&text)
        return String(word)
    }

    /// Takes options up to the first blank outside of quotes; a backslash before a quote keeps it.
    private static func takeOptions(_ text: inout Substring) -> [Option] {
        var options: [Option] = []
        var current = ""
        var isQuoted = false
        var previous: Character = " "
        func add() {
            guard !current.isEmpty else { return }
            options.append(
                Option(name: current.prefix { $0 != "=" }.lowercased(), text: current))
            current = ""
        }
        while let next = text.first, isQuoted || !isBlank(next) {
            if next == "\"", previous != "\\" { isQuoted.toggle() }
            if next == ",", !isQuoted { add() } else { current.append(next) }
            previous = next
            text.removeFirst()
        }
        add()
        return options
    }
}

/// What livemig has put into a line: which peer comes with the key, and where its lanes end.
struct LaneGrant: Hashable {
    /// What the key's owner is called, first name first.
    var names: [String]
    /// The folder of the host that lanes end at, without links where it is there.
    var root: String

    /// Reads it from a line; `nil` for a line that is not livemig's.
    init?(_ line: AuthorizedLine) {
        guard let command = line.options.last(where: { $0.name == "command" })?.value else {
            return nil
        }
        let words = command.split(separator: " ").map(String.init)
        guard words.dropFirst().first == "lane",
            let root = Self.values(of: "--root", in: words).last
        else { return nil }
        names = Self.values(of: "--peer", in: words)
        // A root that was moved to another disk, with a link in its place, is still that root.
        self.root = (try? HostRoot.resolve(root)) ?? root
        guard !names.isEmpty else { return nil }
    }

    private static func values(of option: String, in words: [String]) -> [String] {
        zip(words, words.dropFirst()).filter { $0.0 == option }.map(\.1)
    }
}
