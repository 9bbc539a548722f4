import ArgumentParser
import Inventory
import MigrationModel
import Orchestrator

/// `livemig host remove`.
struct HostRemoveCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Take a host out of the inventory.",
        usage: "livemig host remove <name> [<options>]",
        discussion: """
            The host itself and its VMs are not touched. Other hosts of the inventory no
            longer accept its agent's keys; those that cannot be asked are named.

            Example:
              livemig host remove alpha
            """)

    @Argument(help: ArgumentHelp("The host.", valueName: "name"))
    var name: String

    @Flag(help: "Leave its agent's keys where they are accepted, and ask no host.")
    var keepKeys = false

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let name = try HostName(name)
        let file = context.inventory
        // A file that is not there is not made for a host that is to go.
        let control = try context.control()
        _ = try control.directory.host(name)
        let withdrawals =
            keepKeys ? [] : try await HostTrust(control).withdraw(everywhere: name)
        let host = try await context.change(file) { (hosts) throws(LivemigError) in
            guard let index = hosts.firstIndex(where: { $0.name == name }) else {
                throw HostDirectory.noHost(name, known: hosts.map(\.name))
            }
            return hosts.remove(at: index)
        }
        for withdrawal in withdrawals {
            guard case .failure(let error) = withdrawal.result else { continue }
            context.console.message(
                "livemig: note: \(withdrawal.destination) may still accept the key of \(name): "
                    + error.explanation)
        }
        context.show(
            text: withdrawals.compactMap(Self.line) + ["removed \(name) from \(file.path)"],
            json: HostDocument(host))
        return .success
    }

    private static func line(_ withdrawal: HostTrust.Withdrawal) -> String? {
        guard case .success(let keys) = withdrawal.result, !keys.isEmpty else { return nil }
        return HostUntrustCommand.line(withdrawal)
    }
}
