import ArgumentParser
import MigrationModel

/// `livemig completion`.
struct CompletionCommand: LivemigAction {
    /// The shells.
    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash, zsh, fish

        var parserShell: CompletionShell {
            switch self {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        }
    }

    static let configuration = CommandConfiguration(
        commandName: "completion", abstract: "Print a shell's completions of livemig.",
        usage: "livemig completion <shell>",
        discussion: """
            Example:
              livemig completion bash > /etc/bash_completion.d/livemig
              livemig completion zsh > /usr/local/share/zsh/site-functions/_livemig
              livemig completion fish > ~/.config/fish/completions/livemig.fish
            """)

    @Argument(help: ArgumentHelp("The shell.", valueName: "shell"))
    var shell: Shell

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        context.console.raw(
            Array((LivemigCommand.completionScript(for: shell.parserShell) + "\n").utf8))
        return .success
    }
}
