import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig host untrust`.
struct HostUntrustCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "untrust", abstract: "Let two hosts' agents open no more lanes to each other.",
        usage: "livemig host untrust <a> <b> [<options>]",
        discussion: """
            Each host takes the other agent's keys out of its authorized_keys. A host that
            cannot be asked goes by its name at the other one, and still accepts keys itself.

            Example:
              livemig host untrust alpha beta
              livemig host untrust alpha beta --one-way
            """)

    @Argument(help: ArgumentHelp("A host.", valueName: "a"))
    var first: String

    @Argument(help: ArgumentHelp("Another host.", valueName: "b"))
    var second: String

    @Flag(help: "Only the second host forgets the first one's keys.")
    var oneWay = false

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let (first, second) = (try HostName(first), try HostName(second))
        let withdrawals = try await HostTrust(try context.control())
            .untrust(first, second, isOneWay: oneWay)
        context.show(
            text: withdrawals.compactMap(Self.line),
            json: WithdrawalsDocument(withdrawals: withdrawals.map(WithdrawalDocument.init)))
        return context.complain(
            about: withdrawals.compactMap { withdrawal in
                guard case .failure(var error) = withdrawal.result else { return nil }
                error.what =
                    "\(withdrawal.destination) may still accept the key of \(withdrawal.source): "
                    + error.what
                return error
            })
    }

    static func line(_ withdrawal: HostTrust.Withdrawal) -> String? {
        guard case .success(let keys) = withdrawal.result else { return nil }
        let (source, destination) = (withdrawal.source, withdrawal.destination)
        guard !keys.isEmpty else { return "\(destination) accepts no key of \(source)" }
        return "\(destination) no longer accepts \(source)'s "
            + (keys.count == 1 ? "key " : "keys ") + keys.joined(separator: " ")
    }
}

/// Keys that hosts no longer accept.
struct WithdrawalsDocument: Encodable {
    let withdrawals: [WithdrawalDocument]
}

/// What one host no longer accepts, or why it could not be asked.
struct WithdrawalDocument: Encodable {
    let source: String
    let destination: String
    let keys: [String]
    let error: ErrorEvent?

    init(_ withdrawal: HostTrust.Withdrawal) {
        source = withdrawal.source.text
        destination = withdrawal.destination.text
        switch withdrawal.result {
        case .success(let keys):
            self.keys = keys
            error = nil
        case .failure(let error):
            keys = []
            self.error = ErrorEvent(error)
        }
    }
}
