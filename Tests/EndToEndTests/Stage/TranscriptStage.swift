import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Where a transcript is played: real hosts, and an operator who knows them.
///
/// The steps that prepare something are in `TranscriptStage+Steps.swift`.
final class TranscriptStage {
    let someone: Operator
    private(set) var hosts: [TestHost] = []
    /// Guests of whom it must be said at the end where they are.
    var guests: Set<String> = []
    /// Those of whom it was said since the last command.
    var settled: Set<String> = []
    /// The command that was begun with `&`.
    private(set) var background: CommandInProgress?
    /// Connections that have not logged in.
    var knocks: [CInt] = []
    /// Folders that file systems are mounted at.
    var mounts: [String] = []
    /// Who waits at a half-step of a move.
    var waiting: Int32?
    private var values: [String: String] = [:]

    init() throws {
        someone = try Operator()
        values["home"] = someone.folder.path
        values["agent"] = try BuildProducts.program("livemig-agent")
        values["livemig"] = try BuildProducts.program("livemig")
        values["kernel"] = try GuestImageFiles.path("vmlinuz")
        values["initrd"] = try GuestImageFiles.path("initramfs.cpio.gz")
        values["images"] = TestFiles.folders.images[0]
        values["memory.twice"] = String(Memory.totalMebibytes * 2)
        values["closed.port"] = String(try SSHServerFixture.freePort())
    }

    deinit {
        for knock in knocks { close(knock) }
        if let waiting { kill(waiting, SIGKILL) }
        background = nil
        for host in hosts {
            guard let agent = try? host.agent(),
                let list = try? agent.request(
                    ListMachines(), for: MachineListMessage.self
                ).list
            else { continue }
            for name in list.machines.compactMap({ try? VMName($0.name) }) {
                _ = try? agent.request(StopMachine(name: name), for: MachineMessage.self)
            }
        }
        for folder in mounts {
            for id in ProcessListing.ids(containing: folder) { kill(id, SIGKILL) }
            _ = unsafe umount2(folder, CInt(MNT_DETACH))
        }
    }

    /// Adds a host of a name, and puts it into the operator's inventory.
    func addHost(_ name: String) throws {
        let host = try TestHost(name)
        hosts.append(host)
        try someone.add(host)
        let folder = host.ssh.folder
        values["\(name).root"] = host.root
        values["\(name).port"] = String(host.ssh.port)
        values["\(name).key"] = host.ssh.hostKey
        values["\(name).user"] = host.ssh.user
        values["\(name).identity"] = host.ssh.clientKey
        values["\(name).sshd"] = folder.path
        values["\(name).authorized"] = folder.path("authorized_keys")
    }

    /// Notes what a placeholder stands for.
    func define(_ name: String, _ value: String) { values[name] = value }

    /// A host by its name.
    func host(_ name: String) throws -> TestHost {
        guard let host = hosts.first(where: { $0.name.text == name }) else {
            throw LivemigError(.noHost, "the transcript has no host \(name)")
        }
        return host
    }

    /// A text with placeholders such as `{beta.port}` replaced, and `{x*300}` by 300 letters;
    /// other braces stay.
    func fill(_ text: String) -> String {
        text.replacing(/\{(?<name>[a-z0-9.]+)\}|\{(?<letter>.)\*(?<count>[0-9]+)\}/) { match in
            if let letter = match.letter, let count = match.count {
                return String(repeating: String(letter), count: Int(count) ?? 0)
            }
            return match.name.flatMap { values[String($0)] } ?? String(match.0)
        }
    }

    /// A line of output with placeholders and names in place of what differs from run to run.
    func generalise(_ line: String) throws -> String {
        let known = values.filter { !$0.value.isEmpty && $0.value != "root" }
            .sorted { $0.value.count > $1.value.count }
        return try TranscriptPattern.generalised(
            known.reduce(line) { $0.replacing($1.value, with: "{\($1.key)}") })
    }
}

// MARK: Commands

extension TranscriptStage {
    /// Runs a command; `nil` when it was begun in the background.
    ///
    /// As in a shell: `&` begins it, `fg` waits for it, `<FILE` is its standard input, and `| true`
    /// a reader of its standard output that has gone.
    func run(_ step: Transcript.Step) throws -> CommandResult? {
        settled = []
        var words = step.words
        if words.first?.text == "fg" {
            guard let command = background else {
                throw LivemigError(.usage, "no command is under way")
            }
            background = nil
            return try command.finish()
        }
        let isBackground = words.last.map { $0.text == "&" && !$0.isQuoted } ?? false
        if isBackground { words.removeLast() }
        var streams: [CInt: CInt] = [:]
        let unheard = try OwnedDescriptor.pipe().release()
        close(unheard.first)
        defer { close(unheard.second) }
        if words.suffix(2).map(\.text) == ["|", "true"] {
            words.removeLast(2)
            streams[1] = unheard.second
        }
        var input = ""
        if let file = words.last, file.text.hasPrefix("<"), !file.isQuoted {
            input = someone.folder.read(String(file.text.dropFirst()))
            words.removeLast()
        }
        let arguments = words.dropFirst().map { fill($0.text) }
        let command = try someone.begin(
            program: program(words.first?.text ?? ""), arguments, input: input, streams: streams,
            environment: ["LIVEMIG_CRASH_POINTS": someone.folder.path])
        guard isBackground else { return try command.finish() }
        background = command
        return nil
    }

    private func program(_ name: String) throws -> String {
        switch name {
        case "livemig", "livemig-agent": try BuildProducts.program(name)
        case "prlimit": try Tool.path(name, package: "util-linux")
        case "ssh": try Tool.path(name, package: "openssh-client")
        default: throw LivemigError(.usage, "transcripts do not run \(name)")
        }
    }
}

// MARK: At the end

extension TranscriptStage {
    /// Insists that a guest runs on a host with the right to, that its memory is what it wrote, and
    /// that it runs nowhere else.
    func expectRunning(_ name: String, on place: String, _ location: SourceLocation) throws {
        for host in hosts {
            let found = try machine(name, on: host)
            if host.name.text == place {
                #expect(found?.state == .running, sourceLocation: location)
                #expect(found?.right.mayRun == true, sourceLocation: location)
                if found?.kind == .synthetic {
                    let line = try host.console(name, type: "verify", until: "GUEST verify ")
                    #expect(line.contains("verify 0"), sourceLocation: location)
                }
            } else {
                #expect(found?.state != .running, "on \(host.name)", sourceLocation: location)
            }
        }
        settled.insert(name)
    }

    /// What a host says about a VM; `nil` when it has none of that name.
    func machine(_ name: String, on host: TestHost) throws -> MachineSummary? {
        try machines(on: host).first { $0.name == name }
    }

    private func machines(on host: TestHost) throws -> [MachineSummary] {
        try host.agent().request(ListMachines(), for: MachineListMessage.self).list.machines
    }

    /// Insists that it was said where each guest is, and that no host has a process or a file of
    /// anything else.
    func expectNothingLeft(_ location: SourceLocation) throws {
        #expect(background == nil, "a command is under way", sourceLocation: location)
        let unsaid = guests.subtracting(settled).sorted()
        #expect(unsaid == [], "it is not said where they are", sourceLocation: location)
        for host in hosts {
            let machines = try machines(on: host)
            let alive = machines.count { $0.state == .running || $0.state == .paused }
            let known = machines.map { "vms/\($0.name)/" }
            func strays() -> [String] {
                host.leftovers.filter { file in !known.contains { file.hasPrefix($0) } }
            }
            // The guardian and the guest of each, and no agent.
            let deadline = MonotonicTime.now + .seconds(10)
            while deadline > .now, !strays().isEmpty || host.processes.count != 2 * alive {
                usleep(20_000)
            }
            #expect(strays() == [], "left on \(host.name)", sourceLocation: location)
            #expect(
                host.processes.count == 2 * alive, "\(host.processes) on \(host.name)",
                sourceLocation: location)
        }
    }
}
