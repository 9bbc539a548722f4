import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Somebody at a shell: a home and an inventory of their own, and the built `livemig`.
final class Operator {
    let folder: ScratchFolder
    /// Where the shell is; `nil` for beside the test.
    let surroundings: (any Surroundings)?

    init(in surroundings: (any Surroundings)? = nil) throws {
        folder = try ScratchFolder()
        self.surroundings = surroundings
    }

    /// An operator who has added both hosts.
    convenience init(_ hosts: TwoHosts) throws {
        try self.init()
        try add(hosts.alpha)
        try add(hosts.beta)
    }

    /// What an inventory may say of a host other than the truth.
    struct Entry {
        var name: String?
        var address = "127.0.0.1"
        var port: Int?
        var identity: String?
        var root: String?
        var agent: String?
        var hostKey: String?
        var peerJump: String?
    }

    /// Adds a host with `livemig host add`.
    func add(_ host: TestHost, _ entry: Entry = Entry()) throws {
        let program = try BuildProducts.program("livemig-agent")
        let jump = entry.peerJump.map { ["--peer-jump", $0] } ?? []
        let words = [
            "host", "add", entry.name ?? host.name.text, "--address", entry.address,
            "--port", String(entry.port ?? host.ssh.port), "--user", host.ssh.user,
            "--identity", entry.identity ?? host.ssh.clientKey, "--root", entry.root ?? host.root,
            "--agent", entry.agent ?? program,
            "--authorized-keys", host.ssh.folder.path("authorized_keys"),
            "--host-key", entry.hostKey ?? host.ssh.hostKey,
        ]
        let run = try begin(words + jump).finish()
        #expect(run.status == 0, "\(run)")
    }

    /// Takes a host out of the inventory.
    func forget(_ name: String) throws {
        #expect(try run("host", "remove", name).status == 0)
    }

    /// Writes an executable script and returns its path.
    func script(_ name: String, _ text: String) throws -> String {
        try folder.write("#!/bin/sh\n" + text, to: name, mode: 0o755)
        return folder.path(name)
    }

    /// Writes the definition of a reference guest and returns its path.
    func definition(
        _ name: String, _ workload: String = "fill=4MiB", memory: Int = 64, uuid: VMUUID? = nil,
        devices: String = ""
    ) throws -> String {
        let uuid = uuid.map { "<uuid>\($0)</uuid>" } ?? ""
        try folder.write(
            """
            <domain type="synthetic"><name>\(name)</name>\(uuid)
            <memory unit="MiB">\(memory)</memory><vcpu>1</vcpu>
            <os><type>hvm</type><cmdline>\(workload)</cmdline></os>
            <devices><serial type="pty"/>\(devices)</devices></domain>
            """, to: "\(name).xml")
        return folder.path("\(name).xml")
    }

    /// Runs `livemig` to its end.
    func run(_ arguments: String..., input: String = "") throws -> CommandResult {
        try begin(arguments, input: input).finish()
    }

    /// Runs `livemig`, which must end well.
    @discardableResult
    func succeed(
        _ arguments: String..., input: String = "",
        location: SourceLocation = #_sourceLocation
    ) throws -> CommandResult {
        let result = try begin(arguments, input: input).finish()
        #expect(result.status == 0, "\(result)", sourceLocation: location)
        return result
    }

    /// Starts `livemig`, with nothing but a home in its environment.
    ///
    /// - Parameters:
    ///   - input: what its standard input has.
    ///   - streams: descriptors in place of files, by the number that the program sees.
    ///   - environment: what its environment has besides.
    func begin(
        _ arguments: [String], input: String = "", streams: [CInt: CInt] = [:],
        environment: [String: String] = [:]
    ) throws -> CommandInProgress {
        try CommandInProgress(
            ["--inventory", folder.path("hosts.xml")], arguments, folder, input, streams,
            environment, surroundings)
    }

    /// Starts a program that finds the inventory in its environment.
    func begin(
        program: String, _ arguments: [String], input: String = "", streams: [CInt: CInt] = [:],
        environment: [String: String] = [:]
    ) throws -> CommandInProgress {
        let inventory = ["LIVEMIG_INVENTORY": folder.path("hosts.xml")]
        return try CommandInProgress(
            [], arguments, folder, input, streams, environment.merging(inventory) { $1 },
            surroundings, program: program)
    }
}

/// What a run of `livemig` did.
struct CommandResult: CustomStringConvertible {
    let arguments: [String]
    let output: String
    let errors: String
    let status: Int32

    /// The lines of standard output.
    var lines: [String] { output.split(whereSeparator: \.isNewline).map(String.init) }
    /// The lines of standard error.
    var messages: [String] { errors.split(whereSeparator: \.isNewline).map(String.init) }

    var description: String {
        "livemig \(arguments.joined(separator: " ")) ended with \(status)\n\(errors)\(output)"
    }

    /// Insists on an error with its exit code, and on words that its line must have.
    func expect(
        _ code: ErrorCode, _ words: String..., exit: ExitCode? = nil,
        location: SourceLocation = #_sourceLocation
    ) {
        #expect(
            status == (exit ?? code.exitCode).rawValue, "\(self)", sourceLocation: location)
        let line = messages.last { $0.hasPrefix("livemig: error[\(code.rawValue)]: ") }
        #expect(line != nil, "no \(code.rawValue): \(self)", sourceLocation: location)
        for word in words {
            #expect(
                line?.contains(word) ?? false, "no \(word): \(self)", sourceLocation: location)
        }
    }

    /// Insists that the last line says that a VM runs on a host.
    func expectRunning(
        _ vm: String = "guest", on host: String, location: SourceLocation = #_sourceLocation
    ) {
        #expect(
            lines.last?.hasPrefix("VM \(vm) is RUNNING on \(host) (epoch ") ?? false, "\(self)",
            sourceLocation: location)
    }
}

/// A run of `livemig` that has not ended, its output in files.
final class CommandInProgress {
    private let process: ChildProcess
    private let arguments: [String]
    private let folder: ScratchFolder
    private let name = UInt64.random(in: .min ... .max).hexadecimal

    init(
        _ common: [String], _ arguments: [String], _ folder: ScratchFolder, _ input: String,
        _ streams: [CInt: CInt], _ environment: [String: String],
        _ surroundings: (any Surroundings)?, program: String? = nil
    ) throws {
        self.arguments = arguments
        self.folder = folder
        try folder.write(input, to: "\(name).in")
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND
        let stdin = try OwnedDescriptor.open(folder.path("\(name).in"), O_RDONLY)
        let stdout = try OwnedDescriptor.open(folder.path("\(name).out"), flags)
        let stderr = try OwnedDescriptor.open(folder.path("\(name).err"), flags)
        let files: [CInt: CInt] = [0: stdin.number, 1: stdout.number, 2: stderr.number]
        var command = ChildProcess.Command(
            try program ?? BuildProducts.program("livemig"), arguments + common,
            environment: environment.merging(
                [
                    "HOME": folder.path, "PATH": "/usr/bin:/bin",
                    "LIVEMIG_HISTORY": folder.path("history.sqlite"),
                ]) { own, _ in own },
            descriptors: files.merging(streams) { $1 })
        surroundings?.enter(&command)
        process = try ChildProcess(command)
    }

    /// What it has written to standard output so far.
    var output: String { folder.read("\(name).out") }
    /// What it has written to standard error so far.
    var errors: String { folder.read("\(name).err") }

    /// Its process.
    var processID: Int32 { process.id }
    /// Whether it has ended.
    var hasEnded: Bool { process.poll() != nil }

    /// Sends it a signal.
    func signal(_ number: CInt) { process.signal(number) }

    /// Waits until it has written a text to standard output.
    func wait(for text: String, within limit: Duration = .seconds(20)) throws {
        let deadline = MonotonicTime.now + limit
        while !output.contains(text) {
            guard MonotonicTime.now < deadline, process.poll() == nil else {
                throw LivemigError(.timeout, "no \(text)", at: output + errors)
            }
            usleep(10_000)
        }
    }

    /// Waits for its end; one that does not end in a minute is killed.
    func finish() throws -> CommandResult {
        let ready = try Poll.wait([.init(process.handle.number)], timeout: .seconds(60))
        if ready.isEmpty { process.signal(SIGKILL) }
        let status = process.wait()
        return CommandResult(arguments: arguments, output: output, errors: errors, status: status)
    }

    deinit {
        process.signal(SIGKILL)
        _ = process.wait()
    }
}
