import ArgumentParser
import FoundationEssentials
import MigrationModel

/// A command as its manual page describes it, with the words of its `--help`.
struct ManualCommand {
    /// An argument or option.
    struct Argument: Decodable {
        /// A name as it is typed.
        struct Name: Decodable {
            let kind: String
            let name: String
        }

        let kind: String
        let shouldDisplay: Bool
        let sectionTitle: String?
        let names: [Name]?
        let valueName: String?
        let defaultValue: String?
        let allValues: [String]?
        let abstract: String?
        let discussion: String?
    }

    /// What the parser's description of itself has.
    private struct Described: Decodable {
        let commandName: String
        let abstract: String?
        let discussion: String?
        let subcommands: [Described]?
        let arguments: [Argument]?
    }

    private struct Tool: Decodable { let command: Described }

    /// All words, such as `livemig`, `host` and `add`.
    let words: [String]
    /// What it does, in a sentence.
    let abstract: String
    /// More about it, with an example.
    let discussion: String
    /// How it is typed, a line for each way.
    let usage: [String]
    /// Its arguments and options that help shows.
    let arguments: [Argument]
    /// The commands below it.
    let subcommands: [ManualCommand]

    /// `livemig` with all commands below it.
    /// - Throws: `E-INTERNAL` where the parser's description of itself cannot be read.
    static func livemig() throws(LivemigError) -> ManualCommand {
        do {
            let text = Data(LivemigCommand._dumpHelp().utf8)
            let tool = try JSONDecoder().decode(Tool.self, from: text)
            return ManualCommand(tool.command, LivemigCommand.self, below: [])
        } catch {
            throw LivemigError(.internal, "the commands' descriptions cannot be read: \(error)")
        }
    }

    /// This command and all below it, parents first.
    var all: [ManualCommand] { [self] + subcommands.flatMap(\.all) }

    private init(
        _ described: Described, _ type: any ParsableCommand.Type, below parents: [String]
    ) {
        let words = parents + [described.commandName]
        self.words = words
        abstract = described.abstract ?? ""
        discussion = described.discussion ?? ""
        usage = LivemigCommand.usageString(for: type).split(separator: "\n").map(String.init)
        arguments = (described.arguments ?? []).filter(\.shouldDisplay)
        let types = type.configuration.subcommands
        // The parser adds a command "help" of its own, which is no type of ours.
        subcommands = (described.subcommands ?? []).compactMap { each in
            let type = types.first { $0.configuration.commandName == each.commandName }
            return type.map { ManualCommand(each, $0, below: words) }
        }
    }
}
