import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

#if CrashPoints
import CrashPoints
#endif

/// The steps of transcripts, each with real parts. Files are named from the operator's home on.
extension TranscriptStage {
    /// Does what a line behind `: ` says.
    /// - Throws: `E-USAGE` for a step that there is none of, and what the step could not do.
    func perform(_ step: Transcript.Step, _ location: SourceLocation) throws {
        let words = step.words.dropFirst().map { fill($0.text) }
        let text = step.block.map { fill($0) + "\n" }.joined()
        let verb = step.words.first?.text ?? ""
        if try prepareHost(verb, words, text) { return }
        if try prepareFile(verb, words, text) { return }
        if try act(verb, words, location) { return }
        throw LivemigError(.usage, "no such step: \(verb) \(words.joined(separator: " "))")
    }

    /// Hosts, their guests and their sshd.
    private func prepareHost(_ verb: String, _ words: [String], _ text: String) throws -> Bool {
        switch (verb, words.count) {
        case ("hosts", 1...):
            for name in words { try addHost(name) }
            for host in hosts {
                for other in hosts where other !== host { try host.trust(other) }
            }
        case ("strangers", 1...): for name in words { try addHost(name) }
        case ("guest", 3...5) where words[1] == "on":
            let file = try someone.definition(
                words[0], words.count > 3 ? words[3] : "fill=4MiB rate=1MiB/s",
                memory: words.count > 4 ? Int(words[4]) ?? 0 : 64)
            try begin(words[0], file, on: words[2])
        case ("linux", 4) where words[1] == "on":
            try someone.folder.write(linux(words[0], words[3], text), to: words[0] + ".xml")
            try begin(words[0], someone.folder.path(words[0] + ".xml"), on: words[2])
        case ("add", 3...) where words[1] == "as": try add(words)
        case ("sshd", 1...):
            try reconfigure(try host(words[0]), words.dropFirst().joined(separator: " "))
        case ("knock", 2):
            for _ in 0..<(Int(words[1]) ?? 0) {
                knocks.append(try host(words[0]).ssh.connect().release())
            }
        default: return false
        }
        return true
    }

    private func begin(_ name: String, _ file: String, on host: String) throws {
        try someone.succeed("vm", "define", file, "--on", host)
        try someone.succeed("vm", "start", "\(host)/\(name)")
        guests.insert(name)
        if let uuid = try machine(name, on: self.host(host))?.uuid {
            define("\(name).uuid", uuid.description)
        }
    }

    /// A Linux guest in QEMU; its devices are the step's block.
    private func linux(_ name: String, _ settings: String, _ devices: String) -> String {
        fill(
            """
            <domain type="qemu"><name>\(name)</name><memory unit="MiB">256</memory><vcpu>1</vcpu>
            <os><type arch="x86_64" machine="q35">hvm</type>
            <kernel>{kernel}</kernel><initrd>{initrd}</initrd>
            <cmdline>console=ttyS0 panic=-1 \(settings)</cmdline></os>
            <devices><serial type="pty"/>\(devices)</devices></domain>
            """)
    }

    /// `add NAME as HOST [OPTION VALUE]…`: an entry of the inventory like a host's, but for options.
    private func add(_ words: [String]) throws {
        let like = try host(words[2])
        var options = [
            "--address": "127.0.0.1", "--port": String(like.ssh.port), "--user": like.ssh.user,
            "--identity": like.ssh.clientKey, "--root": like.root,
            "--agent": fill("{agent}"), "--host-key": like.ssh.hostKey,
            "--authorized-keys": like.ssh.folder.path("authorized_keys"),
        ]
        for index in stride(from: 3, to: words.count - 1, by: 2) {
            options[words[index]] = words[index + 1]
        }
        let given = options.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
        let run = try someone.begin(["host", "add", words[0]] + given).finish()
        guard run.status == 0 else { throw LivemigError(.usage, "\(run)") }
    }

    /// Gives a host's sshd a line of configuration in place of its own of that keyword, for new
    /// connections; an empty one takes back what came before.
    private func reconfigure(_ host: TestHost, _ line: String) throws {
        let folder = host.ssh.folder
        if folder.read("sshd_config.own").isEmpty {
            try folder.write(folder.read("sshd_config"), to: "sshd_config.own")
        }
        let keyword = line.prefix { $0 != " " } + " "
        let own = folder.read("sshd_config.own").split(whereSeparator: \.isNewline)
        let lines = [line[...]] + own.filter { !$0.hasPrefix(keyword) }
        try folder.write(lines.joined(separator: "\n") + "\n", to: "sshd_config")
        func starts() -> Int {
            host.ssh.log.split(whereSeparator: \.isNewline).count {
                $0.hasPrefix("Server listening")
            }
        }
        let before = starts()
        kill(host.ssh.processID, SIGHUP)
        try expectSoon(within: .seconds(10)) { starts() > before }
    }

    /// Files and file systems.
    private func prepareFile(_ verb: String, _ words: [String], _ text: String) throws -> Bool {
        let folder = someone.folder
        func path(_ word: String) -> String { word.hasPrefix("/") ? word : folder.path(word) }
        func check(_ result: CInt) throws { try SystemCall.check(verb) { result } }
        switch (verb, words.count) {
        case ("write", 1): try folder.write(text, to: words[0])
        case ("script", 1): _ = try someone.script(words[0], text)
        case ("replace", 3):
            let bytes = ProcessFiles.text(path(words[0]))
            guard bytes.contains(words[1]) else { throw LivemigError(.file, "no \(words[1])") }
            let file = try OwnedDescriptor.open(path(words[0]), O_WRONLY | O_TRUNC)
            try DescriptorIO.write(
                Array(bytes.replacing(words[1], with: words[2]).utf8), to: file.number)
        case ("folder", 1): try check(unsafe mkdir(path(words[0]), 0o700))
        case ("chmod", 2):
            try check(unsafe chmod(path(words[1]), UInt32(words[0], radix: 8) ?? 0))
        case ("chown", 2):
            try check(unsafe chown(path(words[1]), UInt32(words[0]) ?? 0, 0))
        case ("remove", 1): try check(unsafe remove(path(words[0])))
        case ("rename", 2): try check(unsafe rename(path(words[0]), path(words[1])))
        case ("copy", 2):
            let original = try OwnedDescriptor.open(path(words[0]), O_RDONLY)
            let bytes = try DescriptorIO.readFully(upTo: 1 << 20, from: original.number)
            let file = try OwnedDescriptor.open(path(words[1]), O_WRONLY | O_CREAT | O_TRUNC)
            try DescriptorIO.write(bytes, to: file.number)
        case ("link", 2): try check(unsafe symlink(path(words[0]), path(words[1])))
        case ("fifo", 1): try check(unsafe mkfifo(path(words[0]), 0o600))
        case ("size", 2):
            try? folder.write("", to: words[0])
            try check(unsafe truncate(path(words[0]), off_t(words[1]) ?? 0))
        case ("damage", 1): try damage(path(words[0]))
        case ("keygen", 1):
            define("\(words[0]).print", try SSHServerFixture.makeKey(folder, words[0]))
        case ("disk", 2):
            try folder.write("", to: words[0])
            try check(unsafe truncate(path(words[0]), (off_t(words[1]) ?? 0) << 20))
            try Tool.run("mkfs.ext4", package: "e2fsprogs", ["-q", "-F", path(words[0])])
        default: return try prepareFileSystem(verb, words, path)
        }
        return true
    }

    /// File systems of memory below the operator's home.
    private func prepareFileSystem(
        _ verb: String, _ words: [String], _ path: (String) -> String
    ) throws -> Bool {
        func mounted(_ folder: String, _ flags: UInt, _ options: String = "") throws {
            try SystemCall.check("mount") {
                unsafe mount("tmpfs", folder, "tmpfs", flags, options)
            }
        }
        switch (verb, words.count) {
        case ("tmpfs", 2):
            _ = unsafe mkdir(path(words[0]), 0o700)
            try mounted(path(words[0]), 0, "size=\(words[1])")
            mounts.append(path(words[0]))
        case ("readonly", 1):
            try mounted(path(words[0]), UInt(MS_REMOUNT) | UInt(MS_RDONLY))
        case ("writable", 1): try mounted(path(words[0]), UInt(MS_REMOUNT))
        case ("full", 1):
            let file = try OwnedDescriptor.open(path(words[0]) + "/ballast", O_WRONLY | O_CREAT)
            let zeros = [UInt8](repeating: 1, count: 4096)
            while unsafe write(file.number, zeros, zeros.count) > 0 {}
        case ("free", 1): _ = unsafe unlink(path(words[0]) + "/ballast")
        default: return false
        }
        return true
    }

    /// Turns a byte over in both slots of a record.
    private func damage(_ record: String) throws {
        let file = try OwnedDescriptor.open(record, O_RDWR)
        for offset: off_t in [100, 4196] {
            var byte: UInt8 = 0
            _ = unsafe pread(file.number, &byte, 1, offset)
            byte ^= 0xFF
            _ = unsafe pwrite(file.number, &byte, 1, offset)
        }
    }

    /// What happens meanwhile, and what must hold.
    private func act(
        _ verb: String, _ words: [String], _ location: SourceLocation
    ) throws -> Bool {
        switch (verb, words.count) {
        case ("runs", 3) where words[1] == "on":
            try expectRunning(words[0], on: words[2], location)
        case ("stopped", 3) where words[1] == "on":
            let found = try machine(words[0], on: host(words[2]))
            #expect(found?.state == .stopped, sourceLocation: location)
            settled.insert(words[0])
        case ("gone", 1):
            for host in hosts {
                let found = try machine(words[0], on: host)
                #expect(found == nil, "on \(host.name)", sourceLocation: location)
            }
            settled.insert(words[0])
        case ("wait", 1): try wait(for: words[0])
        case ("moving", 2) where words[0] == "to": try waitForLanes(try host(words[1]))
        case ("signal", 1): background?.signal(try Self.signal(words[0]))
        case ("signal", 3):
            let found = try host(words[1]).processIDs(with: words[2])
            #expect(!found.isEmpty, "no \(words[2]) there", sourceLocation: location)
            for id in found { kill(id, try Self.signal(words[0])) }
        case ("type", 5...) where words[1] == "on":
            _ = try host(words[2]).console(
                words[0], type: words[3], until: words[4], patience: .seconds(90))
        case ("sessions", 2):
            let sessions = try host(words[1]).sshdSessions
            #expect(!sessions.isEmpty, sourceLocation: location)
            for id in sessions { kill(id, try Self.signal(words[0])) }
        case ("until", 5) where words[1] == "on" && words[3] == "is":
            let host = try host(words[2])
            try expectSoon(within: .seconds(20)) {
                (try machine(words[0], on: host)?.state.rawValue ?? "gone") == words[4]
            }
        default: return try actAtPoint(verb, words)
        }
        return true
    }

    private func wait(for text: String) throws {
        try expectSoon(within: .seconds(30)) {
            guard let background else { return false }
            if background.hasEnded { throw LivemigError(.timeout, "it has ended without \(text)") }
            return background.output.contains(text) || background.errors.contains(text)
        }
    }

    /// The controller's connection to the destination, the link, and a lane at least.
    private func waitForLanes(_ destination: TestHost) throws {
        try expectSoon(within: .seconds(30)) {
            if background?.hasEnded ?? true { throw LivemigError(.timeout, "no move goes on") }
            return destination.sshdSessions.count >= 3
        }
    }

    private static func signal(_ name: String) throws -> CInt {
        let numbers = [
            "INT": SIGINT, "TERM": SIGTERM, "KILL": SIGKILL, "STOP": SIGSTOP, "CONT": SIGCONT,
        ]
        guard let number = numbers[name] else { throw LivemigError(.usage, "no signal \(name)") }
        return number
    }

    #if CrashPoints
    /// Half-steps of a move: `point HOST|controller NAME` names one, `reached HOST` waits until a
    /// program waits there, `continue` lets it go on, `kill` does not.
    private func actAtPoint(_ verb: String, _ words: [String]) throws -> Bool {
        switch (verb, words.count) {
        case ("point", 2):
            guard let point = CrashPoint(rawValue: words[1]) else {
                throw LivemigError(.usage, "no point \(words[1])")
            }
            try CrashFlag(folder: folderOfPoints(words[0])).raise(point)
        case ("reached", 1):
            guard let background else { return false }
            waiting = try CrashFlag(folder: folderOfPoints(words[0])).wait(background)
            try #require(waiting != nil, "the point was not reached")
        case ("continue", 0):
            if let id = waiting { kill(id, SIGCONT) }
            waiting = nil
        case ("kill", 0):
            if let id = waiting { kill(id, SIGKILL) }
            waiting = nil
        default: return false
        }
        return true
    }

    private func folderOfPoints(_ name: String) throws -> String {
        name == "controller" ? someone.folder.path : try host(name).root
    }
    #else
    private func actAtPoint(_ verb: String, _ words: [String]) throws -> Bool { false }
    #endif
}
