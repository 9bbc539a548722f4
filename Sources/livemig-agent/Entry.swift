import AgentCommands

/// The host's program: `livemig-agent`.
@main
enum Entry {
    static func main() { AgentCommandLine.run(Array(CommandLine.arguments.dropFirst())) }
}
