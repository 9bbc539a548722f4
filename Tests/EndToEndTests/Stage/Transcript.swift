import MigrationModel
import TestSupport

/// A file that reads like a terminal: what is prepared, what is typed, and what must come of it.
///
/// `# …` is a comment, `: …` a step of `TranscriptStage`, `$ …` a command. Below a command stand what
/// it prints to standard output, indented by two spaces, what it prints to standard error behind
/// `! `, and `exit N` unless it is 0. Blank lines mean nothing.
struct Transcript {
    /// One word of a line, and whether it was quoted and so is no operator.
    struct Word {
        var text: String
        var isQuoted = false
    }

    /// What is done, and where it stands in the file.
    struct Step {
        enum Kind { case command, verb }

        let kind: Kind
        /// The first is the command's or the verb's name.
        let words: [Word]
        /// Its line, from 0.
        let line: Int
        /// The lines of the file that belong to it, its own first.
        var lines: Range<Int>
        /// Lines indented by two spaces, without these.
        var block: [String] = []
        /// Lines behind `! `, without that.
        var errors: [String] = []
        var exit: Int32 = 0
    }

    let name: String
    let lines: [String]
    private(set) var steps: [Step] = []

    private static let folder = "Tests/EndToEndTests/Transcripts"

    /// The names of all transcripts, sorted.
    static let names: [String] = TreeListing.names(in: Repository.root + "/" + folder)
        .filter { $0.hasSuffix(".txt") }.sorted()

    /// Where the file is.
    var path: String { "\(Self.folder)/\(name)" }

    /// Reads a transcript.
    /// - Throws: `E-USAGE` naming the line that is none of the above.
    init(named name: String) throws(LivemigError) {
        self.name = name
        let path = "\(Self.folder)/\(name)"
        lines = try Repository.read(path).split(
            separator: "\n", omittingEmptySubsequences: false
        ).map(String.init)
        for (number, line) in lines.enumerated() {
            do {
                try read(line, number)
            } catch {
                throw error.at("\(path):\(number + 1)")
            }
        }
    }

    private mutating func read(_ line: String, _ number: Int) throws(LivemigError) {
        if line.isEmpty || line.hasPrefix("#") { return }
        switch line.prefix(2) {
        case "$ ": try begin(.command, line, number)
        case ": ": try begin(.verb, line, number)
        case "  ": try extend(number) { $0.block.append(String(line.dropFirst(2))) }
        case "! ": try extend(number) { $0.errors.append(String(line.dropFirst(2))) }
        default:
            guard line.hasPrefix("exit "), let code = Int32(line.dropFirst(5)) else {
                throw LivemigError(.usage, "no line of a transcript: \(line)")
            }
            try extend(number) { $0.exit = code }
        }
    }

    private mutating func begin(
        _ kind: Step.Kind, _ line: String, _ number: Int
    ) throws(LivemigError) {
        let words = try Self.words(line.dropFirst(2))
        guard !words.isEmpty else { throw LivemigError(.usage, "nothing stands here") }
        steps.append(Step(kind: kind, words: words, line: number, lines: number..<number + 1))
    }

    private mutating func extend(
        _ number: Int, _ change: (inout Step) -> Void
    ) throws(LivemigError) {
        guard let last = steps.indices.last else {
            throw LivemigError(.usage, "output of no command")
        }
        change(&steps[last])
        steps[last].lines = steps[last].line..<number + 1
    }

    /// Splits at spaces; `"…"` keeps spaces, and has `\e` for escape, `\n`, `\"` and `\\`.
    private static func words(_ text: Substring) throws(LivemigError) -> [Word] {
        var words: [Word] = []
        var current: Word?
        var isInside = false
        var rest = text[...]
        while let character = rest.popFirst() {
            switch (character, isInside) {
            case ("\"", _):
                isInside.toggle()
                current = Word(text: current?.text ?? "", isQuoted: true)
            case ("\\", true):
                let escapes: [Character: Character] = ["e": "\u{1B}", "n": "\n"]
                guard let next = rest.popFirst() else { break }
                current?.text.append(escapes[next] ?? next)
            case (" ", false):
                if let word = current { words.append(word) }
                current = nil
            default:
                current = current ?? Word(text: "")
                current?.text.append(character)
            }
        }
        guard !isInside else { throw LivemigError(.usage, "a quotation does not end") }
        return words + (current.map { [$0] } ?? [])
    }
}
