import ArgumentParser
import WireProtocol

/// `livemig`.
struct LivemigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "livemig",
        abstract: "Move running virtual machines between Linux hosts over SSH.",
        discussion: """
            Example:
              livemig host add alpha --address 10.0.0.11 --host-key SHA256:…
              livemig host add beta --address 10.0.0.12 --host-key SHA256:…
              livemig host trust alpha beta
              livemig vm define web1.xml --on alpha
              livemig vm start web1
              livemig move web1 --to beta

            Exit codes: 0 done, 2 usage, 3 refused before anything was touched, 4 trust,
            5 failed and running on the source, 6 running on the destination with
            clean-up left, 7 in transfer or unreachable, 8 cancelled, 9 memory differs,
            10 internal, 11 busy, 12 did not converge, 13 not enough resources.
            """,
        version: "livemig \(Banner.currentProgram) (protocol \(Banner.currentProtocol))",
        subcommands: [
            HostCommand.self, VMCommand.self, CheckCommand.self, PlanCommand.self,
            MoveCommand.self, DrainCommand.self, ResumeCommand.self, StatusCommand.self,
            CancelCommand.self, RecoverCommand.self, HistoryCommand.self, DoctorCommand.self,
            CompletionCommand.self, WriteManualCommand.self,
        ])
}

/// `livemig host`.
struct HostCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "host", abstract: "Manage the hosts of the inventory.",
        discussion: """
            Example:
              livemig host list
            """,
        subcommands: [
            HostAddCommand.self, HostListCommand.self, HostShowCommand.self,
            HostRemoveCommand.self, HostPinCommand.self, HostTrustCommand.self,
            HostUntrustCommand.self,
            HostCheckCommand.self, HostSettingsCommand.self,
        ])
}

/// `livemig vm`.
struct VMCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vm", abstract: "Manage the VMs of the hosts.",
        discussion: """
            VM is a name, or HOST/VM where several hosts have one of that name.

            Example:
              livemig vm list alpha
            """,
        subcommands: [
            VMDefineCommand.self, VMStartCommand.self, VMStopCommand.self, VMSaveCommand.self,
            VMShowCommand.self, VMPolicyCommand.self, VMConsoleCommand.self,
            VMRemoveCommand.self, VMListCommand.self,
        ])
}
