import MigrationModel

/// A manual page in the language of man(7).
struct ManualPage {
    private let command: ManualCommand
    private let parent: ManualCommand?
    private let source: String
    private let date: String

    /// - Parameters:
    ///   - command: what it is about.
    ///   - parent: the command above it.
    ///   - source: the program and its version.
    ///   - date: such as `2026-01-31`.
    init(_ command: ManualCommand, below parent: ManualCommand?, source: String, date: String) {
        self.command = command
        self.parent = parent
        self.source = source
        self.date = date
    }

    /// The file's name, such as `livemig-host-add.1`.
    var fileName: String { Self.name(command) + ".1" }

    /// The file's text.
    var text: String {
        let name = Self.name(command)
        // The date is read as one only as it is.
        let heading = [Self.quoted(name.uppercased()), "1", date, Self.quoted(source), "livemig"]
        var lines = [".TH " + heading.joined(separator: " "), ".SH NAME"]
        lines.append("\(Self.escaped(name)) \\- \(Self.escaped(sentence(command.abstract)))")
        lines.append(".SH SYNOPSIS")
        lines += Self.verbatim(command.usage)
        lines += description + options + commands + examples
        lines += Self.isAction(command) || parent == nil ? exitStatus : []
        lines += parent == nil ? surroundings : []
        lines += seeAlso
        return lines.joined(separator: "\n") + "\n"
    }

    private static func name(_ command: ManualCommand) -> String {
        command.words.joined(separator: "-")
    }

    private static func isAction(_ command: ManualCommand) -> Bool { command.subcommands.isEmpty }

    private func sentence(_ text: String) -> String {
        let text = text.hasSuffix(".") ? String(text.dropLast()) : text
        return text.prefix(1).lowercased() + text.dropFirst()
    }

    // MARK: Sections

    private var description: [String] {
        let paragraphs = self.paragraphs.filter {
            !Self.isExample($0) && !($0.first?.hasPrefix("Exit codes:") ?? false)
        }
        var lines = [".SH DESCRIPTION"]
        if paragraphs.isEmpty { lines.append(Self.escaped(command.abstract)) }
        for (index, paragraph) in paragraphs.enumerated() {
            if index > 0 { lines.append(".PP") }
            let isList = paragraph.contains { $0.hasPrefix(" ") }
            lines += isList ? Self.verbatim(paragraph) : paragraph.map(Self.escaped)
        }
        return lines
    }

    private var examples: [String] {
        let lines = paragraphs.filter(Self.isExample).flatMap { paragraph in
            paragraph.dropFirst().map { String($0.drop { $0 == " " }) }
        }
        return lines.isEmpty ? [] : [".SH EXAMPLES"] + Self.verbatim(lines)
    }

    private static func isExample(_ paragraph: [String]) -> Bool {
        paragraph.first?.hasPrefix("Example") ?? false
    }

    /// The discussion's paragraphs, each in lines.
    private var paragraphs: [[String]] {
        command.discussion.split(separator: "\n", omittingEmptySubsequences: false)
            .split { $0.isEmpty }.map { $0.map(String.init) }
    }

    private var options: [String] {
        var lines: [String] = []
        let positional = command.arguments.filter { $0.kind == "positional" }
        if !positional.isEmpty { lines += [".SH ARGUMENTS"] + positional.flatMap(entry) }
        let others = command.arguments.filter { $0.kind != "positional" }
        if !others.isEmpty { lines.append(".SH OPTIONS") }
        lines += others.filter { $0.sectionTitle == nil }.flatMap(entry)
        var titles: [String] = []
        for case let title? in others.map(\.sectionTitle) where !titles.contains(title) {
            titles.append(title)
        }
        for title in titles {
            lines.append(".SS \(Self.quoted(title))")
            lines += others.filter { $0.sectionTitle == title }.flatMap(entry)
        }
        return lines
    }

    private func entry(_ argument: ManualCommand.Argument) -> [String] {
        let value = argument.valueName.map { "<\($0)>" } ?? ""
        let names = (argument.names ?? []).map { ($0.kind == "long" ? "--" : "-") + $0.name }
            .sorted { $0.count < $1.count }
        let typed =
            switch argument.kind {
            case "positional": value
            case "option": "\(names.joined(separator: ", ")) \(value)"
            default: names.joined(separator: ", ")
            }
        var facts = [argument.abstract ?? "", argument.discussion ?? ""]
        if let values = argument.allValues {
            facts.append("One of \(values.joined(separator: ", ")).")
        }
        if let value = argument.defaultValue, argument.kind == "option" {
            facts.append("The default is \(value).")
        }
        let text = facts.filter { !$0.isEmpty }.joined(separator: " ")
        return [".TP", "\\fB\(Self.escaped(typed))\\fR", Self.escaped(text)]
    }

    private var commands: [String] {
        guard !command.subcommands.isEmpty else { return [] }
        return [".SH COMMANDS"]
            + command.subcommands.flatMap { command in
                let name = "\\fB\(Self.escaped(Self.name(command)))\\fR(1)"
                return [".TP", name, Self.escaped(command.abstract)]
            }
    }

    private var exitStatus: [String] {
        [".SH EXIT STATUS"]
            + ExitCode.allCases.flatMap { code in
                [".TP", "\\fB\(code.rawValue)\\fR", Self.escaped(code.meaning)]
            }
    }

    /// Variables and files, for the page of the program itself.
    private var surroundings: [String] {
        let variables = [
            ("LIVEMIG_INVENTORY", "The inventory, where --inventory names none."),
            ("LIVEMIG_HISTORY", "The history's file."),
            ("NO_COLOR", "Nothing is coloured where it is not empty."),
            ("TERM", "Nothing is drawn over itself where it is dumb."),
        ]
        let files = [
            ("~/.config/livemig/hosts.xml, /etc/livemig/hosts.xml", "The inventory.")
        ]
        func entries(_ pairs: [(String, String)]) -> [String] {
            pairs.flatMap { [".TP", "\\fB\(Self.escaped($0.0))\\fR", Self.escaped($0.1)] }
        }
        return [".SH ENVIRONMENT"] + entries(variables) + [".SH FILES"] + entries(files)
    }

    private var seeAlso: [String] {
        guard let parent else { return [] }
        let siblings = parent.subcommands.filter { $0.words != command.words }
        let names = ([parent] + siblings).map { "\\fB\(Self.escaped(Self.name($0)))\\fR(1)" }
        return [".SH SEE ALSO", names.joined(separator: ",\n")]
    }

    // MARK: The language

    private static func verbatim(_ lines: [String]) -> [String] {
        [".nf"] + lines.map(escaped) + [".fi"]
    }

    private static func quoted(_ text: String) -> String {
        "\"" + escaped(text).replacing("\"", with: "\\(dq") + "\""
    }

    /// Text of which nothing is taken for a request or an escape (groff_man(7), groff_char(7)).
    static func escaped(_ text: String) -> String {
        var result = text.first == "." || text.first == "'" ? "\\&" : ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\(rs"
            case "-": result += "\\-"
            case "'": result += "\\(aq"
            case "`": result += "\\(ga"
            case "^": result += "\\(ha"
            case "~": result += "\\(ti"
            case " "..."~": result.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16, uppercase: true)
                let zeros = String(repeating: "0", count: max(0, 4 - digits.count))
                result += "\\[u\(zeros)\(digits)]"
            }
        }
        return result
    }
}

extension ExitCode {
    /// What it means, in a sentence.
    var meaning: String {
        switch self {
        case .success: "Done; for a move: verified on the destination, and the source is clean."
        case .usage: "The command line was not understood."
        case .refused: "Refused before anything was touched; the guest is where it was."
        case .trust: "A host key or an authentication is not right."
        case .failedOnSource: "Failed; the guest runs on the source."
        case .committed: "The guest runs on the destination, with clean-up left."
        case .inTransfer: "In transfer, or a host that matters is unreachable; run livemig recover."
        case .cancelled: "Cancelled; the guest runs on the source."
        case .verification: "The copy of memory differs."
        case .internal: "A bug of livemig itself, or records that contradict each other."
        case .busy: "Another migration holds the VM, or it runs."
        case .notConverged: "Did not converge; the guest runs on the source."
        case .resources: "The destination lacks resources."
        }
    }
}
