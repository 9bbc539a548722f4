import Glibc
import LinuxSystem
import MigrationModel
import Orchestrator

/// A question that must be answered with yes before something is done.
enum Confirmation {
    /// Asks on the terminal.
    ///
    /// - Parameters:
    ///   - question: what is asked.
    ///   - isGiven: whether the answer was given in advance.
    ///   - context: where the question goes.
    /// - Throws: `E-USAGE` where nobody can be asked, `E-CANCELLED` for any answer but yes.
    static func ask(
        _ question: String, isGiven: Bool, _ context: CommandContext
    ) async throws(LivemigError) {
        if isGiven { return }
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else {
            throw LivemigError(
                .usage, "nobody can be asked: standard input is not a terminal",
                fix: "pass --yes, or look with --dry-run")
        }
        context.console.prompt(question + " [y/N] ")
        await context.console.drain()
        let answer = try await BlockingWork.run("answer") { () throws(LivemigError) -> String in
            let bytes = try DescriptorIO.readAvailable(upTo: 64, from: STDIN_FILENO)
            return String(decoding: bytes, as: UTF8.self)
        }
        let word = answer.split(whereSeparator: \.isWhitespace).first?.lowercased()
        guard word == "y" || word == "yes" else {
            throw LivemigError(.cancelled, "nothing was changed")
        }
    }
}
