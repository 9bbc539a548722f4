import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig vm save`.
struct VMSaveCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "save", abstract: "Save a VM to a file of its host.",
        usage: "livemig vm save <vm> [<options>]",
        discussion: """
            The guest stands still, its memory and devices are written to disk, and its
            memory is free then. livemig vm start restores it: it goes on where it stood,
            with a clock that is late by as long. Interrupted with Ctrl-C, it runs on.

            Example:
              livemig vm save web1
              livemig vm start web1
            """)

    @Argument(help: ArgumentHelp("The VM, or HOST/VM.", valueName: "vm"))
    var vm: String

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let reference = try VMReference(parsing: vm)
        let control = try context.control()
        let host = try await control.locate(reference)
        let show = StoringText.progress(of: reference.name, "saving", context)
        let machine = try await control.talk(to: host) { agent async throws(LivemigError) in
            try await agent.save(reference.name, show)
        }
        context.show(text: [MachineText.line(machine)], json: MachineDocument(machine))
        return .success
    }
}

/// How far the saving or restoring of a VM is.
enum StoringText {
    /// Draws it on the live line.
    static func progress(
        of name: VMName, _ verb: String, _ context: CommandContext
    ) -> AgentConnection.StoringProgress? {
        guard !context.isJSON else { return nil }
        return { [console = context.console] done, total in
            console.live(FittingLine(start: line(name, verb, done, total)))
        }
    }

    /// Such as `saving web1  45 %  1.8 of 4.0 GiB`.
    static func line(_ name: VMName, _ verb: String, _ done: UInt64, _ total: UInt64) -> String {
        let share = total == 0 ? 100 : Int(Double(min(done, total)) / Double(total) * 100)
        return "\(verb) \(name)  \(share) %  \(ByteCount(done)) of \(ByteCount(total))"
    }
}
