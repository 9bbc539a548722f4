import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import Commands

/// What shells, editors and locales make of lists, files and output.
@Suite("Lists, files and locales")
struct ListAndLocaleTests {
    private static let inventory = """
        \u{FEFF}<livemig version="1">\r
        <host name="alpha" address="127.0.0.1" port="1">\r
        <hostKey>SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA</hostKey></host></livemig>\r
        """

    // Breaks when a list that an editor of another system has written is not read.
    @Test("lists are read as people write them")
    func lists() {
        #expect(
            VMNames.names(in: "\u{FEFF}web1\r\nweb2  running\r\n\r\n  # old\n\tweb3 \n") == [
                "web1", "web2", "web3",
            ])
        #expect(VMNames.names(in: "\u{FEFF}\r\n# nothing\n") == [])
    }

    // Breaks when a script that finds nothing to do is told that it used the command wrongly, or
    // when an empty list stands for all VMs.
    @Test(
        "an empty list is done",
        arguments: [
            "move - --to alpha", "vm start -", "vm stop -", "vm show -", "vm remove -", "status -",
            "recover -", "check - --to alpha",
        ])
    func empty(_ line: String) throws {
        let folder = try ScratchFolder()
        try folder.write(Self.inventory, to: "hosts.xml", mode: 0o600)
        let words = line.split(separator: " ").map(String.init)
        for input in ["", "\n", "\u{FEFF}\r\n# none\r\n"] {
            let run = try ProgramRun(
                words + ["--inventory", folder.path("hosts.xml")], in: folder, input: input)
            #expect(run.status == 0, "\(run.errors)")
            #expect(run.errors == "nothing to do: no VM is named on standard input\n")
            #expect(run.output.isEmpty)
        }
        let json = try ProgramRun(
            words + ["--inventory", folder.path("hosts.xml"), "--output=json"], in: folder)
        #expect(json.status == 0)
        #expect(json.output.contains(#""outcome":"nothing-to-do""#), "\(json.output)")
    }

    // Breaks when a script that asked for JSON gets a usage error that it cannot read.
    @Test(
        "usage errors are events where results are",
        arguments: [
            "teleport web1 --output json", "--output=json move web1", "move --output json web1",
            "vm start --output json --frobnicate", "vm --output json", "host add --output=json",
            "move web1 --to beta --lanes x --output json",
        ])
    func usage(_ line: String) throws {
        let folder = try ScratchFolder()
        let run = try ProgramRun(line.split(separator: " ").map(String.init), in: folder)
        #expect(run.status == 2)
        #expect(run.output.hasPrefix(#"{"code":"E-"#), "\(run.output)")
        #expect(run.output.contains(#""event":"error","exit_code":2"#), "\(run.output)")
        #expect(run.output.split(separator: "\n").count == 1)
        #expect(run.errors.contains("livemig: error[E-"))
    }

    // Breaks when a command that was given no hosts says that all is well.
    @Test(
        "without hosts nothing is well",
        arguments: ["status", "host list", "host check", "vm list", "recover", "doctor"])
    func noHosts(_ line: String) throws {
        let folder = try ScratchFolder()
        let words = line.split(separator: " ").map(String.init)
        let missing = try ProgramRun(words, in: folder)
        #expect(missing.status == 3)
        #expect(missing.errors.contains("error[E-FILE]: there is no inventory"))
        #expect(missing.errors.contains("/.config/livemig/hosts.xml or /etc/livemig/hosts.xml"))
        try folder.write("<livemig version=\"1\"/>", to: "empty.xml", mode: 0o600)
        let empty = try ProgramRun(words + ["--inventory", folder.path("empty.xml")], in: folder)
        #expect(empty.status == 3)
        #expect(empty.errors.contains("error[E-NOHOST]: the inventory names no host"))
    }

    // Breaks when files that a shell or a configuration tool provides are not read, or a change
    // parts a link from its file.
    @Test("inventories are read and changed through links")
    func links() throws {
        let folder = try ScratchFolder()
        try folder.write(Self.inventory, to: "real.xml", mode: 0o600)
        try #require(unsafe symlink("real.xml", folder.path("link.xml")) == 0)
        try #require(unsafe symlink(folder.path("link.xml"), folder.path("hosts.xml")) == 0)
        let place = ["--inventory", folder.path("hosts.xml")]
        #expect(try ProgramRun(["host", "list"] + place, in: folder).output.contains("alpha"))
        let added = try ProgramRun(
            [
                "host", "add", "beta", "--address", "127.0.0.1", "--host-key",
                "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ] + place, in: folder)
        #expect(added.status == 0, "\(added.errors)")
        #expect(folder.read("real.xml").contains("beta"))
        var status = stat()
        try #require(unsafe lstat(folder.path("hosts.xml"), &status) == 0)
        #expect(status.st_mode & S_IFMT == S_IFLNK)
        _ = unsafe chmod(folder.path("real.xml"), 0o666)
        let open = try ProgramRun(["host", "list"] + place, in: folder)
        #expect(open.errors.contains("error[E-INVENTORYMODE]"))
    }

    // Breaks when a definition is only read from a file of its own.
    @Test("definitions are read from standard input, pipes and links")
    func definitions() throws {
        let folder = try ScratchFolder()
        try folder.write(Self.inventory, to: "hosts.xml", mode: 0o600)
        let wrong = "\u{FEFF}<domain>\r\n<frob/></domain>"
        let place = ["--on", "alpha", "--inventory", folder.path("hosts.xml")]
        let input = try ProgramRun(["vm", "define", "-"] + place, in: folder, input: wrong)
        #expect(input.errors.contains("standard input:"), "\(input.errors)")
        #expect(input.status == 3)
        try folder.write(wrong, to: "real.xml", mode: 0o600)
        try #require(unsafe symlink("real.xml", folder.path("link.xml")) == 0)
        let link = try ProgramRun(["vm", "define", folder.path("link.xml")] + place, in: folder)
        #expect(link.errors.contains("link.xml:"), "\(link.errors)")
        let stream = try ProgramRun(
            ["vm", "define", "/dev/stdin"] + place, in: folder, input: wrong)
        #expect(stream.errors.contains("/dev/stdin:"), "\(stream.errors)")
    }

    // Breaks when a terminal or log of the C locale gets bytes that it does not have.
    @Test("the C locale gets ASCII")
    func ascii() throws {
        let folder = try ScratchFolder()
        for (locale, isASCII) in [
            ("C", true), ("POSIX", true), ("de_DE.ISO-8859-1", true), ("C.UTF-8", false),
            ("en_US.utf8", false),
        ] {
            let run = try ProgramRun(
                ["host", "add", "--help"], in: folder, environment: ["LC_ALL": locale])
            #expect(run.output.utf8.allSatisfy { $0 < 0x80 } == isASCII, "\(locale)")
        }
        let values = ["LC_ALL": "", "LC_CTYPE": "C", "LANG": "en_US.UTF-8"]
        #expect(Characters { values[$0] } == .ascii)
        #expect(Characters { _ in nil } == .unicode)
        #expect(Characters.ascii.shown("a → b… 3 × é") == "a -> b... 3 x \\u{e9}")
        #expect(Characters.ascii.fitting("█░ → é…") == "#. > ?~")
        #expect(Characters.unicode.shown("→") == "→")
    }
}
