import Glibc
public import LinuxSystem
public import MigrationModel
public import WireProtocol

/// One host of a test: a root folder of its own and an sshd of its own.
public final class TestHost {
    /// The host's name.
    public let name: HostName
    /// The host's root.
    public let root: String
    /// Its sshd.
    public let ssh: SSHServerFixture
    /// Where its agents, guests and sshd run; `nil` for beside the test.
    public let surroundings: (any Surroundings)?
    private let scratch: ScratchFolder

    /// Makes a host.
    ///
    /// - Parameters:
    ///   - name: the host's name.
    ///   - surroundings: where its programs run; `nil` for beside the test.
    ///   - address: where its sshd listens.
    ///   - sshOptions: lines for its sshd_config, in place of the fixture's own.
    public init(
        _ name: String, in surroundings: (any Surroundings)? = nil, address: String = "127.0.0.1",
        sshOptions: [String] = []
    ) throws(LivemigError) {
        self.name = try HostName(name)
        self.surroundings = surroundings
        scratch = try ScratchFolder()
        root = scratch.path("r")
        _ = unsafe mkdir(root, 0o700)
        try scratch.write(TestFiles.hostFile, to: "r/host.xml")
        // A machine that runs the tests may have a systemd, which is not theirs to use.
        if !(surroundings is SystemdHost) {
            try scratch.write("", to: "r/guardians-without-units")
        }
        ssh = try SSHServerFixture(
            options: sshOptions, in: surroundings, address: address)
    }

    deinit {
        // Guests and guardians that a failed test has left behind.
        for process in ProcessListing.ids(containing: root) { kill(process, SIGKILL) }
    }

    /// A controller's connection to the host's agent.
    public func agent() throws(LivemigError) -> AgentClient {
        try AgentClient(root: root, in: surroundings)
    }

    /// Where a peer's agent finds this host.
    public var peer: StartOutgoing.Peer {
        StartOutgoing.Peer(
            name: name.text, address: ssh.address, port: UInt16(ssh.port), user: ssh.user,
            hostKeys: [ssh.hostKey])
    }

    /// Lets a peer's agent open lanes to this host.
    ///
    /// - Parameters:
    ///   - other: the peer.
    ///   - program: what its key may run; `nil` for the built agent.
    public func trust(_ other: TestHost, agent program: String? = nil) throws(LivemigError) {
        let keys = try other.agent().request(CreateKey(), for: PublicKeyMessage.self).lines
        let built = try BuildProducts.program("livemig-agent")
        _ = try agent().request(
            AuthorizePeer(
                peer: other.name, keys: keys, file: ssh.folder.path("authorized_keys"),
                agent: program ?? built), for: DoneMessage.self)
    }

    /// A connection to a guest's console, as its guardian gives it to an agent.
    ///
    /// - Parameters:
    ///   - vm: the guest.
    ///   - access: what it may do.
    ///   - room: how much the socket holds of what is not read; `nil` for the system's own choice.
    public func console(
        _ vm: String, _ access: ConsoleAccess = .takeOver, room: CInt? = nil
    ) throws(LivemigError) -> OwnedDescriptor {
        let guardian = try UnixSocket.connect("\(root)/vms/\(vm)/guardian.sock", .packets)
        let ends = try UnixSocket.pair(.stream).release()
        let mine = OwnedDescriptor(owning: ends.first)
        let theirs = OwnedDescriptor(owning: ends.second)
        if var room {
            let size = socklen_t(MemoryLayout<CInt>.size)
            _ = unsafe setsockopt(theirs.number, SOL_SOCKET, SO_SNDBUF, &room, size)
        }
        let type = FrameType.guardianAttachConsole.rawValue
        try Packet.send(
            [UInt8(type & 0xFF), UInt8(type >> 8), access.rawValue], with: [theirs.number],
            to: guardian.number)
        let answer = try Packet.receive(from: guardian.number)
        guard answer.bytes.first == UInt8(FrameType.guardianConsole.rawValue) else {
            throw LivemigError(.wire, "no console: \(answer.bytes)", at: vm)
        }
        return mine
    }

    /// Types a line at a guest's console and returns the first line of output that starts with a
    /// word.
    public func console(
        _ vm: String, type line: String, until word: String, patience: Duration = .seconds(20)
    ) throws(LivemigError) -> String {
        let socket = try console(vm)
        try DescriptorIO.write(Array((line + "\n").utf8), to: socket.number)
        let deadline = MonotonicTime.now + patience
        var text = ""
        while MonotonicTime.now < deadline {
            let ready = try Poll.wait([.init(socket.number)], timeout: deadline - .now)
            guard !ready.isEmpty else { break }
            let bytes = try DescriptorIO.readAvailable(upTo: 4096, from: socket.number)
            if bytes.isEmpty { break }
            text += String(decoding: bytes, as: UTF8.self)
            let isWhole = text.last?.isNewline ?? false
            let complete = text.split(whereSeparator: \.isNewline).dropLast(isWhole ? 0 : 1)
            if let found = complete.first(where: { $0.contains(word) }) { return String(found) }
        }
        throw LivemigError(.timeout, "no line with \(word) on the console", at: text)
    }

    /// The files below the host's root, but for keys, policy and logs that stay on purpose.
    public var leftovers: [String] {
        TreeListing.files(below: root).filter {
            !$0.hasPrefix("keys/") && !$0.hasPrefix("moves/") && !$0.hasPrefix("epochs/")
                && !$0.hasSuffix("/ownership")
                && !Self.staying.contains($0)
        }
    }

    /// Whether nobody has changed the host's settings since it was made.
    public var hasFirstSettings: Bool { scratch.read("r/host.xml") == TestFiles.hostFile }

    private static let staying = [
        "agent.log", "definitions.lock", "guardians-without-units", "host.xml", "host.xml.lock",
        "identity",
    ]

    /// What the host's guardians said.
    public var log: String {
        guard let file = try? OwnedDescriptor.open(root + "/agent.log", O_RDONLY),
            let bytes = try? DescriptorIO.readFully(upTo: 1 << 20, from: file.number)
        else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The command lines of the processes that work on this host's root.
    public var processes: [String] { ProcessListing.commands(containing: root) }
}

/// The processes of this machine.
public enum ProcessListing {
    /// The command lines of all processes but this one that name a path, and of each QEMU that has
    /// a file below it open: it is handed all of its files.
    public static func commands(containing text: String) -> [String] {
        all(containing: text).map(\.command)
    }

    /// The process ids that belong to them.
    ///
    /// - Parameters:
    ///   - text: the path.
    ///   - word: what the command line must contain besides.
    public static func ids(containing text: String, with word: String = "") -> [Int32] {
        all(containing: text).filter { word.isEmpty || $0.command.contains(word) }.map(\.id)
    }

    private static func all(containing text: String) -> [(id: Int32, command: String)] {
        TreeListing.names(in: "/proc").compactMap { name in
            guard let id = Int32(name), id != getpid() else { return nil }
            let command = ProcessFiles.text("/proc/\(name)/cmdline")
            let isMeant =
                command.contains(text)
                || command.contains("qemu-system")
                    && openFiles(of: name).contains { $0.contains(text) }
            return isMeant ? (id, command) : nil
        }
    }

    private static func openFiles(of process: String) -> [String] {
        let folder = "/proc/\(process)/fd"
        return TreeListing.names(in: folder).map { ProcessFiles.target("\(folder)/\($0)") }
    }
}

/// Folders and what is in them.
public enum TreeListing {
    /// The names in a folder.
    public static func names(in path: String) -> [String] {
        guard let folder = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// The paths of all files below a folder, relative to it.
    public static func files(below path: String) -> [String] {
        names(in: path).sorted().flatMap { name -> [String] in
            var status = stat()
            guard unsafe lstat("\(path)/\(name)", &status) == 0 else { return [] }
            guard status.st_mode & S_IFMT == S_IFDIR else { return [name] }
            return files(below: "\(path)/\(name)").map { "\(name)/\($0)" }
        }
    }
}
