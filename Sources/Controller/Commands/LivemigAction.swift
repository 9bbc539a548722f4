import ArgumentParser
import MigrationModel

/// A command that does something: it builds a value, calls, and renders.
protocol LivemigAction: AsyncParsableCommand {
    /// The options that every command has.
    var global: GlobalOptions { get }

    /// Does it.
    /// - Returns: how the command ends where that is not told by an error.
    /// - Throws: the error that is the command's result.
    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode
}
