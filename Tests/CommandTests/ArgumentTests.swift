import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// A command line, the exit code it must end with, and text that standard error must hold.
struct BadInput: Sendable, CustomTestStringConvertible {
    let arguments: [String]
    let status: Int32
    let text: String
    var input = ""

    init(_ line: String, _ status: Int32, _ text: String, input: String = "") {
        arguments = line.split(separator: " ").map(String.init)
        self.status = status
        self.text = text
        self.input = input
    }

    var testDescription: String { arguments.joined(separator: " ") }
}

private let key = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

private let badInputs: [BadInput] = [
    .init("", 2, "SUBCOMMANDS"), .init("host", 2, "livemig host"), .init("vm", 2, "livemig vm"),
    .init("--frobnicate", 2, "error[E-USAGE]: Unknown option '--frobnicate'"),
    .init("host list --ouput json", 2, "Did you mean '--output'?"),
    .init("host list --output yaml", 2, "error[E-USAGE]"),
    .init("teleport web1", 2, #"livemig has no command "teleport""#),
    .init("list --output json", 2, "Did you mean livemig host list or livemig vm list?"),
    .init("migrate --live web1 beta", 2, "Did you mean livemig move?"),
    .init("vm undefine web1 --nvram", 2, "Did you mean livemig host remove or livemig vm remove?"),
    .init("move web1", 2, "--to"),
    .init("move --to beta", 2, "Missing expected argument '<vm> ...'"),
    .init("host add alpha --jump a,,b --host-key \(key)", 2, "error[E-USAGE]"),
    .init("host add -oProxyCommand=x --address x --host-key \(key)", 2, "error[E-USAGE]"),
    .init("host add a%b --address x --host-key \(key)", 2, "error[E-HOSTNAME]"),
    .init("host add a --address $(id) --host-key \(key)", 2, "error[E-HOSTNAME]"),
    .init("host add a --address x --port 0 --host-key \(key)", 2, "error[E-PORT]"),
    .init("host add a --address x --port 65536 --host-key \(key)", 2, "error[E-PORT]"),
    .init("host add a --address x --port abc --host-key \(key)", 2, "error[E-PORT]"),
    .init(
        "host add a --address x --user=-l --host-key \(key)", 2, "error[E-USAGE]: illegal user"),
    .init("host add a --address x --host-key MD5:00", 2, "illegal host key"),
    .init("host add a --address x --root ../x --host-key \(key)", 2, "illegal root path"),
    .init("move web1 --to beta --bandwidth 10", 2, "error[E-SIZE]"),
    .init("move web1 --to beta --bandwidth=-1", 2, "error[E-SIZE]"),
    .init("move web1 --to beta --bandwidth 9e99", 2, "error[E-SIZE]"),
    .init("move web1 --to beta --bandwidth 1GiBps?", 2, "error[E-SIZE]"),
    .init("move web1 --to beta --max-downtime 0ms", 2, "error[E-RANGE]"),
    .init("move web1 --to beta --max-downtime 2s --timeout 1s", 2, "error[E-RANGE]"),
    .init("move web1 --to beta --lanes 17", 2, "error[E-RANGE]"),
    .init("move web1 --to beta --on-timeout explode", 2, "error[E-USAGE]"),
    .init("move web1 --to beta --verify everything", 2, "error[E-USAGE]"),
    .init("move -- we!b --to", 2, "error[E-USAGE]"),
    .init("move we!b --to beta", 2, #"error[E-VMNAME]: illegal VM name "we!b""#),
    .init("move \(String(repeating: "w", count: 300)) --to beta", 2, "error[E-VMNAME]"),
    .init("move web1 web1 --to beta", 2, "named twice"),
    .init("move - --to beta", 2, "error[E-VMNAME]", input: "web1\n\u{1B}[2J\n"),
    .init("vm stop web1 web1", 2, "named twice"),
    .init("vm show - we!b", 2, "error[E-VMNAME]", input: "web1"),
    .init("check - --to beta", 3, "error[E-NOHOST]: no host beta", input: "web1 x\n\nweb2\n"),
    .init("move web1 --to beta", 3, "error[E-NOHOST]: no host beta"),
    .init("check web1", 2, "error[E-USAGE]"),
    .init("check we!b --to beta", 2, "error[E-VMNAME]"),
    .init("check web1 --to beta", 3, "error[E-NOHOST]: no host beta"),
    .init("check alpha/web1 --to alpha", 3, "error[E-SAMEHOST]"),
    .init("move web1 --to al/pha", 2, "error[E-HOSTNAME]"),
    .init("host show beta", 3, "known: alpha"),
    .init("host check beta", 3, "error[E-NOHOST]"),
    .init("host trust alpha alpha", 3, "error[E-SAMEHOST]"),
    .init("move alpha/web1 --to alpha", 3, "error[E-SAMEHOST]"),
    .init("vm define /nonexistent.xml --on alpha", 3, "error[E-FILE]"),
    .init("host list --inventory /nonexistent/hosts.xml", 3, "error[E-FILE]"),
    .init("host check alpha", 5, "error[E-CONNECT]"),
    .init("host settings", 2, "Missing expected argument '<name>'"),
    .init("host settings alpha --live-moves 0", 2, "error[E-RANGE]"),
    .init("host settings alpha --live-moves 256", 2, "error[E-RANGE]"),
    .init("host settings alpha --storage-moves 0", 2, "error[E-RANGE]"),
    .init("host settings alpha --live-moves two", 2, "error[E-USAGE]"),
    .init("host settings alpha --enable --disable", 2, "contradict each other"),
    .init("host settings alpha --any-network --only-networks", 2, "contradict each other"),
    .init("host settings alpha --memory-reserve 4", 2, "error[E-SIZE]"),
    .init("host settings alpha --compression gzip", 2, "error[E-USAGE]"),
    .init("host settings alpha --network 10.0.0.1/24", 2, "an address inside a subnet"),
    .init("host settings alpha --network-moves 10.0.0.0/24", 2, "does not say how many moves"),
    .init("host settings alpha --network-moves 10.0.0.0/24=0", 2, "error[E-RANGE]"),
    .init("host settings alpha --network 10.0.0.0/24=x", 2, "error[E-RANGE]"),
    .init("host settings alpha --remove-network beta", 2, "is not a subnet"),
    .init("host settings alpha --allow-peer a%b", 2, "error[E-HOSTNAME]"),
    .init("host settings alpha --all-peers --allow-peer beta", 2, "error[E-USAGE]"),
    .init("host settings beta", 3, "error[E-NOHOST]"),
    .init("host settings alpha --disable", 5, "error[E-CONNECT]"),
    .init("vm list", 5, "error[E-CONNECT]"), .init("vm show alpha/web1", 5, "error[E-CONNECT]"),
    .init("vm console alpha/web1", 5, "error[E-CONNECT]"),
    .init("move web1 --from alpha --to gamma", 3, "error[E-NOHOST]"),
    .init("history abc", 2, "error[E-USAGE]: not the id of a move"),
    .init("history web1", 2, "give 4 to 32 of its digits"),
    .init("history abcd --failed", 2, "do not go together"),
    .init("history --limit 0", 2, "error[E-RANGE]"),
    .init("history --limit 10001", 2, "give 1 to 10000"),
    .init("history --since yesterday", 2, #"not a time: "yesterday"; --since"#),
    .init("history --vm we!b", 2, "error[E-VMNAME]"),
    .init("history --host a/b", 2, "error[E-HOSTNAME]"),
    .init("history abcd", 3, "error[E-NOMOVE]"),
    .init("manual /nonexistent/man1", 3, "error[E-FILE]"), .init("manual", 2, "<folder>"),
]

private let helps: [[String]] =
    [["host"], ["vm"], ["check"], ["move"], ["status"], ["history"], []]
    + [["plan"], ["plan", "drain"], ["drain"], ["resume"], ["completion"], ["manual"]]
    + ["add", "list", "show", "remove", "trust", "check", "settings"].map { ["host", $0] }
    + ["define", "start", "stop", "show", "console", "remove", "list"].map { ["vm", $0] }

@Suite("Command lines")
struct ArgumentTests {
    /// One host whose SSH port nobody listens on, with a key that can be read.
    private static func inventory(_ folder: ScratchFolder) throws -> String {
        _ = try SSHServerFixture.makeKey(folder, "id")
        let port = try SSHServerFixture.freePort()
        let text = """
            <livemig version="1"><host name="alpha" address="127.0.0.1" port="\(port)" \
            user="nobody" identity="\(folder.path("id"))"><hostKey>\(key)</hostKey></host></livemig>
            """
        try folder.write(text, to: "hosts.xml")
        return folder.path("hosts.xml")
    }

    // Breaks when bad input is accepted, gets another exit code, or its message loses the code.
    @Test("bad input gets its code and its exit status", arguments: badInputs)
    func badInput(_ bad: BadInput) throws {
        let folder = try ScratchFolder()
        let inventory = try Self.inventory(folder)
        let run = try ProgramRun(
            bad.arguments, in: folder, environment: ["LIVEMIG_INVENTORY": inventory],
            input: bad.input)
        #expect(run.status == bad.status, "\(run.errors)")
        #expect(run.errors.contains(bad.text), "\(run.errors)")
        #expect(!run.errors.contains("\u{1B}"), "control characters or colours in a file")
    }

    // Breaks when completions are none, no script that their shell can read, or lack a command.
    @Test("completions are scripts", arguments: ["bash", "zsh", "fish"])
    func completions(_ shell: String) throws {
        let folder = try ScratchFolder()
        let run = try ProgramRun(["completion", shell], in: folder)
        #expect(run.status == 0)
        for command in ["move", "drain", "resume"] { #expect(run.output.contains(command)) }
        let file = folder.path("completion")
        try folder.write(run.output, to: "completion")
        let program = try Tool.path(shell, package: shell)
        let check = try Tool.outcome(program, ["-n", file])
        #expect(check.status == 0, "\(check.output)")
        // What the shell itself makes of the beginning of a command; zsh does so on a terminal only.
        let questions = [
            "bash": "COMP_WORDS=(livemig man); COMP_CWORD=1; _livemig livemig man livemig; "
                + "echo ${COMPREPLY[*]}", "fish": "complete -C 'livemig man'",
        ]
        guard let words = questions[shell] else { return }
        let found = try Tool.outcome(program, ["-c", "source \(file); \(words)"])
        #expect(found.output.contains("manual"), "\(found)")
    }

    // Breaks when a help text is an error, wraps at 80 columns, or has no example.
    @Test("help of every command fits 80 columns", arguments: helps)
    func help(_ command: [String]) throws {
        let run = try ProgramRun(command + ["--help"], in: ScratchFolder())
        #expect(run.status == 0)
        #expect(run.errors.isEmpty)
        #expect(run.output.contains("Example:\n  livemig "))
        for line in run.output.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
    }

    // Breaks when the version goes to standard error or is an error.
    @Test("the version is a result")
    func version() throws {
        let run = try ProgramRun(["--version"], in: ScratchFolder())
        #expect(run.status == 0)
        #expect(run.output.hasPrefix("livemig 0."))
        #expect(run.errors.isEmpty)
    }
}
