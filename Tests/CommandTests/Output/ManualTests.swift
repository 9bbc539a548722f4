import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import Commands

@Suite("Manual pages")
struct ManualTests {
    private static func pages() throws -> [ManualPage] {
        try WriteManualCommand.pages(on: "2026-01-31")
    }

    // Breaks when a command has no page, a page no example, or what the help says is not in it.
    @Test("every command has a page with the words of its help")
    func everyCommand() throws {
        let folder = try ScratchFolder()
        let run = try ProgramRun(["manual", folder.path("man1")], in: folder)
        #expect(run.status == 0, "\(run.errors)")
        let livemig = try ManualCommand.livemig()
        #expect(run.output == "\(livemig.all.count) pages are in \(folder.path("man1")).\n")
        for command in livemig.all {
            let name = command.words.joined(separator: "-")
            let text = folder.read("man1/\(name).1")
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES"] {
                #expect(text.contains("\n.SH \(section)\n"), "\(name)")
            }
            for argument in command.arguments {
                for option in argument.names ?? [] {
                    let typed = (option.kind == "long" ? "--" : "-") + option.name
                    #expect(text.contains(ManualPage.escaped(typed)), "\(name): \(typed)")
                }
            }
        }
        let drain = folder.read("man1/livemig-drain.1")
        #expect(drain.contains("livemig drain alpha \\-\\-yes \\-\\-to beta"))
        #expect(drain.contains("\\fB12\\fR\nDid not converge"))
    }

    // Breaks when a page has a request that does not exist, or none that it needs.
    @Test("mandoc finds nothing wrong")
    func lint() throws {
        let folder = try ScratchFolder()
        let pages = try Self.pages()
        for page in pages { try folder.write(page.text, to: page.fileName) }
        let program = try Tool.path("mandoc", package: "mandoc")
        let files = pages.map { folder.path($0.fileName) }
        let lint = try Tool.outcome(program, ["-Tlint", "-Wwarning"] + files)
        #expect(lint.status == 0, "\(lint.output)")
        #expect(lint.output.isEmpty, "\(lint.output)")
        let shown = try Tool.run(
            "mandoc", package: "mandoc",
            ["-Tascii", "-Owidth=80", folder.path("livemig-drain.1")])
        #expect(shown.contains("livemig drain <host> [<options>]"), "\(shown)")
    }

    // Breaks when text is taken for a request or an escape.
    @Test(
        "text is text",
        arguments: [
            (".TH x", "\\&.TH x"), ("'a'", "\\&\\(aqa\\(aq"), ("a\\fB", "a\\(rsfB"),
            ("--to", "\\-\\-to"), ("1–2 …", "1\\[u2013]2 \\[u2026]"), ("~x", "\\(tix"),
        ])
    func escapes(text: String, written: String) {
        #expect(ManualPage.escaped(text) == written)
    }
}
