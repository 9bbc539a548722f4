import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig host trust`.
struct HostTrustCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "trust", abstract: "Let two hosts' agents open data lanes to each other.",
        usage: "livemig host trust <a> <b> [<options>]",
        discussion: """
            Each agent gets a key of its own, which the other host accepts for lanes of a
            move and nothing else (a forced command in authorized_keys). The keys are tried;
            if one does not work, or this machine can no longer log in, both files are put
            back as they were.

            Example:
              livemig host trust alpha beta
              livemig host trust alpha beta --one-way
            """)

    @Argument(help: ArgumentHelp("A host.", valueName: "a"))
    var first: String

    @Argument(help: ArgumentHelp("Another host.", valueName: "b"))
    var second: String

    @Flag(help: "Only the first host's agent may open lanes to the second.")
    var oneWay = false

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let (first, second) = (try HostName(first), try HostName(second))
        let control = try context.control()
        let grants = try await HostTrust(control).trust(first, second, isOneWay: oneWay)
        let hosts = try [first, second].map { name throws(LivemigError) in
            HostDocument(try control.directory.host(name))
        }
        context.show(
            text: Self.text(grants, first, second), json: HostsDocument(hosts: hosts))
        return .success
    }

    private static func text(
        _ grants: [HostTrust.Grant], _ first: HostName, _ second: HostName
    ) -> [String] {
        let anywhere = grants.filter(\.addresses.isEmpty).map {
            "\($0.destination) accepts the key of \($0.source) from any address"
        }
        let trusting =
            grants.count == 2
            ? "\(first) and \(second) trust each other for data lanes"
            : "\(second) trusts \(first) for data lanes"
        return anywhere + [trusting]
    }
}
