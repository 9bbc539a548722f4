import ArgumentParser
import MigrationModel

/// A word at the place of a command that names none.
///
/// The parser itself takes it for an argument, and complains about the options behind it first.
struct UnknownCommand: Hashable {
    /// The word.
    let word: String
    /// The words of the group that it was looked for in, such as `livemig vm`.
    let group: String
    /// Commands that were likely meant, each in full.
    let candidates: [String]

    /// What other tools and people call commands of this one.
    private static let synonyms = [
        "migrate": "move", "evacuate": "drain", "uncordon": "resume", "abort": "cancel",
        "ls": "list", "delete": "remove", "undefine": "remove", "shutdown": "stop",
    ]

    /// Finds it in a program's arguments; `nil` where there is none.
    init?(in arguments: [String]) {
        var group: any ParsableCommand.Type = LivemigCommand.self
        var path = ["livemig"]
        for word in arguments {
            let members = group.configuration.subcommands
            guard !members.isEmpty, !word.hasPrefix("-"), word != "help" else { return nil }
            guard let member = members.first(where: { $0.configuration.commandName == word })
            else {
                self.word = word
                self.group = path.joined(separator: " ")
                candidates = Self.commands(named: Self.synonyms[word] ?? word)
                return
            }
            group = member
            path.append(word)
        }
        return nil
    }

    /// The error's text.
    var message: String {
        let meant =
            candidates.isEmpty ? "" : ". Did you mean \(candidates.joined(separator: " or "))?"
        return """
            \(group) has no command \(word.escaped())\(meant)
            Usage: \(group) <subcommand>
              See '\(group) --help' for more information.
            """
    }

    /// The command of a name, else every one of that name in a group; in full.
    private static func commands(named name: String) -> [String] {
        let commands = LivemigCommand.configuration.subcommands
        guard !commands.contains(where: { $0.configuration.commandName == name }) else {
            return ["livemig \(name)"]
        }
        return commands.compactMap { command in
            let group = command.configuration
            guard group.subcommands.contains(where: { $0.configuration.commandName == name })
            else { return nil }
            return "livemig \(group.commandName ?? "") \(name)"
        }
    }
}
