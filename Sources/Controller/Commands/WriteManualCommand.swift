import ArgumentParser
import Glibc
import LinuxSystem
import MigrationModel
import Orchestrator
import SystemPackage
import WireProtocol

/// `livemig manual`.
struct WriteManualCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "manual", abstract: "Write the manual pages of all commands.",
        usage: "livemig manual <folder>",
        discussion: """
            Writes livemig.1, livemig-move.1 and so on into a folder, which it makes. They
            have the words of --help.

            Example:
              livemig manual /usr/local/share/man/man1
              man livemig-drain
            """)

    @Argument(help: ArgumentHelp("The folder.", valueName: "folder"))
    var folder: String

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let pages = try Self.pages(on: String(JSONText.time.prefix(10)))
        let folder = folder
        try await BlockingWork.run("manual") { () throws(LivemigError) in
            try Self.write(pages, to: folder)
        }
        context.show(
            text: ["\(pages.count) pages are in \(folder)."],
            json: ManualDocument(folder: folder, pages: pages.map(\.fileName)))
        return .success
    }

    /// A page for each command.
    static func pages(on date: String) throws(LivemigError) -> [ManualPage] {
        let livemig = try ManualCommand.livemig()
        let source = "livemig \(Banner.currentProgram)"
        let commands = livemig.all
        return commands.map { command in
            let above = Array(command.words.dropLast())
            return ManualPage(
                command, below: commands.first { $0.words == above }, source: source, date: date)
        }
    }

    private static func write(_ pages: [ManualPage], to folder: String) throws(LivemigError) {
        if unsafe mkdir(folder, 0o755) != 0, errno != EEXIST {
            throw SystemCall.failure("mkdir", Errno(rawValue: errno), at: folder, as: .file)
        }
        for page in pages {
            let path = "\(folder)/\(page.fileName)"
            let file = try OwnedDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
            try DescriptorIO.write(Array(page.text.utf8), to: file.number, at: path)
        }
    }
}

/// What was written.
struct ManualDocument: Encodable {
    let folder: String
    let pages: [String]
}
