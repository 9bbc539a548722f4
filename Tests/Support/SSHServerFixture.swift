import Glibc
public import LinuxSystem
public import MigrationModel
import SystemPackage

/// A real sshd with keys, configuration and authorized_keys of its own, on 127.0.0.1 or inside a
/// network namespace.
///
/// It and every process of its sessions are ended with the fixture.
public final class SSHServerFixture: Sendable {
    /// The port it listens on.
    public let port: Int
    /// The fingerprint of its Ed25519 host key.
    public let hostKey: String
    /// The private key that may log in.
    public let clientKey: String
    /// The user to log in as: the one who runs the test.
    public let user: String
    /// Where its files are.
    public let folder: ScratchFolder
    /// The address it listens on.
    public let address: String
    private let namespace: NetworkNamespace?
    private let process: ChildProcess

    private static let program = "/usr/sbin/sshd"
    private static let keygen = "/usr/bin/ssh-keygen"

    /// Starts a server and waits until it answers.
    ///
    /// - Parameters:
    ///   - options: lines for its sshd_config, in place of the fixture's own of the same keyword.
    ///   - keyOptions: what stands before the client's key in authorized_keys.
    ///   - surroundings: where it runs, with all that its sessions run; `nil` for beside the test.
    ///   - address: the IPv4 address to listen on.
    /// - Throws: when openssh-server is not installed or the server does not answer within 10 s.
    public init(
        options: [String] = [], keyOptions: String = "", in surroundings: (any Surroundings)? = nil,
        address: String = "127.0.0.1"
    ) throws(LivemigError) {
        self.address = address
        namespace = surroundings as? NetworkNamespace
        for file in [Self.program, Self.keygen] where unsafe access(file, X_OK) != 0 {
            throw LivemigError(
                .file, "\(file) is missing", fix: "apt-get install openssh-server openssh-client")
        }
        folder = try ScratchFolder()
        user = unsafe getpwuid(geteuid()).map { unsafe String(cString: $0.pointee.pw_name) } ?? ""
        clientKey = folder.path("client")
        hostKey = try Self.makeKey(folder, "host")
        _ = try Self.makeKey(folder, "client")
        let prefix = keyOptions.isEmpty ? "" : keyOptions + " "
        try folder.write(prefix + folder.read("client.pub"), to: "authorized_keys")
        port = try Self.freePort()
        try folder.write(
            Self.configuration(folder, address, port: port, options), to: "sshd_config")
        // sshd refuses to start without its privilege separation folder.
        _ = unsafe mkdir("/run/sshd", 0o755)
        process = try Self.start(folder, surroundings)
        try waitUntilReady()
    }

    deinit {
        for child in Self.descendants(of: process.id) { kill(child, SIGKILL) }
        process.end()
    }

    /// The processes that serve connections now.
    public var sessions: [Int32] { Self.descendants(of: process.id) }

    /// How many connections it serves now, and how many of them have not logged in yet, by the
    /// titles of the processes that serve root; each has one more while it logs in.
    public var connections: (all: Int, unknown: Int) {
        let titles = sessions.map { ProcessFiles.text("/proc/\($0)/cmdline") }
            .filter { $0.hasPrefix("sshd: ") && !$0.contains("[net]") }
        return (titles.count, titles.count { $0.contains("[priv]") || $0.contains("[accepted]") })
    }

    /// How many have logged in since its start.
    public var logins: Int { log.split(separator: "Accepted publickey").count - 1 }

    /// The number of the server's own process.
    public var processID: Int32 { process.id }

    /// What it has logged.
    public var log: String { folder.read("log") }

    /// A bare TCP connection to the server, which counts as one that has not logged in.
    public func connect() throws(LivemigError) -> OwnedDescriptor {
        try TCPSocket.connect(to: address, port: port, in: namespace)
    }

    /// A new key pair, Ed25519 and without passphrase unless asked for; returns its fingerprint.
    public static func makeKey(
        _ folder: ScratchFolder, _ name: String, passphrase: String = "", type: String = "ed25519",
        bits: String = "", format: String = ""
    ) throws(LivemigError) -> String {
        let options = (bits.isEmpty ? [] : ["-b", bits]) + (format.isEmpty ? [] : ["-m", format])
        try run(
            keygen,
            ["-q", "-t", type, "-N", passphrase, "-C", "test", "-f", folder.path(name)] + options,
            folder, output: "keygen.log")
        try run(keygen, ["-lf", folder.path(name + ".pub")], folder, output: name + ".print")
        let words = folder.read(name + ".print").split(separator: " ")
        guard words.count > 1 else {
            throw LivemigError(.key, "ssh-keygen -l said \(folder.read(name + ".print"))")
        }
        return String(words[1])
    }

    /// A port of 127.0.0.1 that was free a moment ago.
    public static func freePort() throws(LivemigError) -> Int {
        let socket = try listener(port: 0, backlog: nil)
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let number = socket.number
        try SystemCall.check("getsockname") {
            unsafe withUnsafeMutablePointer(to: &address) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe getsockname(number, $0, &length)
                }
            }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    /// A socket bound to a port of 127.0.0.1, listening if a backlog is given.
    public static func listener(port: Int, backlog: CInt?) throws(LivemigError) -> OwnedDescriptor {
        let socket = OwnedDescriptor(
            owning: try SystemCall.check("socket") {
                Glibc.socket(
                    AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            })
        let number = socket.number
        try unsafe withLoopback(port) { (address, length) throws(LivemigError) in
            try SystemCall.check("bind") { unsafe bind(number, address, length) }
        }
        if let backlog { try SystemCall.check("listen") { listen(number, backlog) } }
        return socket
    }

    private static func withLoopback(
        _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) throws(LivemigError) -> Void
    ) throws(LivemigError) {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        try unsafe withUnsafePointer(to: &address) { (pointer) throws(LivemigError) in
            try unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                (pointer) throws(LivemigError) in
                try unsafe body(pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private static func run(
        _ program: String, _ arguments: [String], _ folder: ScratchFolder, output: String
    ) throws(LivemigError) {
        let log = try OwnedDescriptor.open(folder.path(output), O_WRONLY | O_CREAT | O_TRUNC)
        let process = try ChildProcess(
            .init(program, arguments, descriptors: [1: log.number, 2: log.number]))
        let status = process.wait()
        guard status == 0 else {
            throw LivemigError(
                .io, "\(program) ended with \(status): \(folder.read(output).escaped())")
        }
    }

    private static func configuration(
        _ folder: ScratchFolder, _ address: String, port: Int, _ options: [String]
    ) -> String {
        let defaults = [
            "Port \(port)", "ListenAddress \(address)", "HostKey \(folder.path("host"))",
            "AuthorizedKeysFile \(folder.path("authorized_keys"))", "PidFile none",
            "StrictModes no", "UsePAM no", "PermitRootLogin prohibit-password",
            "PasswordAuthentication no", "KbdInteractiveAuthentication no",
            "MaxStartups 100:30:200", "MaxSessions 100", "LogLevel VERBOSE",
            // The start-up files of whoever runs the tests are no part of them.
            "SetEnv HOME=\(folder.path("home"))",
        ]
        // For some keywords the first value wins, for others the last one.
        let keywords = Set(options.map { $0.prefix { $0 != " " } })
        // A Match block goes on to the end of the file.
        let end = options.firstIndex { $0.hasPrefix("Match ") } ?? options.endIndex
        let lines =
            options[..<end] + defaults.filter { !keywords.contains($0.prefix { $0 != " " }) }
            + options[end...]
        return lines.joined(separator: "\n") + "\n"
    }

    private static func start(
        _ folder: ScratchFolder, _ surroundings: (any Surroundings)?
    ) throws(LivemigError) -> ChildProcess {
        let log = try OwnedDescriptor.open(folder.path("log"), O_WRONLY | O_CREAT | O_APPEND)
        var command = ChildProcess.Command(
            program, ["-D", "-e", "-f", folder.path("sshd_config")],
            environment: ["PATH": "/usr/bin:/bin"], descriptors: [2: log.number])
        surroundings?.enter(&command)
        return try ChildProcess(command)
    }

    private func waitUntilReady() throws(LivemigError) {
        let deadline = MonotonicTime.now + .seconds(10)
        while deadline > .now {
            if let status = process.poll() {
                throw LivemigError(.io, "sshd ended with \(status): \(log.escaped())")
            }
            if let banner = try? banner(), banner.hasPrefix("SSH-2.0-") { return }
            usleep(10_000)
        }
        throw LivemigError(.io, "sshd does not answer: \(log.escaped())")
    }

    private func banner() throws(LivemigError) -> String {
        let socket = try connect()
        let number = socket.number
        var bytes = [UInt8](repeating: 0, count: 64)
        let ready = try Poll.wait([.init(number)], timeout: .seconds(2))
        let count = ready.isEmpty ? 0 : unsafe read(number, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    private static func descendants(of process: Int32) -> [Int32] {
        guard
            let file = try? OwnedDescriptor.open(
                "/proc/\(process)/task/\(process)/children", O_RDONLY)
        else { return [] }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = unsafe read(file.number, &bytes, bytes.count)
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        let children = text.split(separator: " ").compactMap { Int32($0) }
        return children + children.flatMap { descendants(of: $0) }
    }
}
