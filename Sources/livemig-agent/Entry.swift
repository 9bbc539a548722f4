import AgentCommands
import ArgumentParser

/// The host's program: `livemig-agent`.
@main
enum Entry {
    static func main() { LivemigAgent.main() }
}
