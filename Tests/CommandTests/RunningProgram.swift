import Glibc
import LinuxSystem
import MigrationModel
import TestSupport

/// A run of the built `livemig` that has not ended, its output in files.
final class RunningProgram {
    private let process: ChildProcess
    private let folder: ScratchFolder
    private let name = UInt64.random(in: .min ... .max).hexadecimal

    /// - Parameters:
    ///   - arguments: what it is run with.
    ///   - folder: where its files are.
    ///   - ignored: the names of signals that it inherits as ignored.
    ///   - environment: what its environment has besides a home.
    init(
        _ arguments: [String], in folder: ScratchFolder, ignoring ignored: [String] = [],
        environment: [String: String] = [:]
    ) throws(LivemigError) {
        self.folder = folder
        let flags = O_WRONLY | O_CREAT | O_TRUNC
        let input = try OwnedDescriptor.open("/dev/null", O_RDONLY)
        let output = try OwnedDescriptor.open(folder.path("\(name).out"), flags)
        let errors = try OwnedDescriptor.open(folder.path("\(name).err"), flags)
        let program = try BuildProducts.program("livemig")
        let traps = ignored.map { "trap '' \($0); " }.joined()
        let line =
            ignored.isEmpty ? arguments : ["-c", traps + #"exec "$0" "$@""#, program] + arguments
        process = try ChildProcess(
            .init(
                ignored.isEmpty ? program : "/bin/sh", line,
                environment: ["HOME": folder.path, "PATH": "/usr/bin:/bin"]
                    .merging(environment) { $1 },
                descriptors: [0: input.number, 1: output.number, 2: errors.number]))
    }

    deinit { process.end() }

    var output: String { folder.read("\(name).out") }
    var errors: String { folder.read("\(name).err") }
    var hasEnded: Bool { process.poll() != nil }

    func signal(_ number: CInt) { process.signal(number) }

    /// The signals of a line of /proc/PID/status, as a set of bits (proc(5)).
    func signals(_ line: String) -> UInt64 {
        let text = ProcessFiles.text("/proc/\(process.id)/status")
        let found = text.split(separator: "\n").first { $0.hasPrefix(line + ":") }
        return found?.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) } ?? 0
    }

    /// Waits for its end, for at most a minute.
    func finish() throws(LivemigError) -> Int32 {
        let ready = try Poll.wait([.init(process.handle.number)], timeout: .seconds(60))
        if ready.isEmpty { process.signal(SIGKILL) }
        return process.wait()
    }
}

/// A port of 127.0.0.1 that accepts connections and never says anything.
struct SilentPort: ~Copyable {
    private let listener: OwnedDescriptor
    let number: Int

    init() throws(LivemigError) {
        let port = try SSHServerFixture.freePort()
        let socket = try SSHServerFixture.listener(port: port, backlog: 64)
        number = port
        listener = socket
    }

    /// Waits until somebody has connected.
    func waitForConnection() throws(LivemigError) -> Bool {
        try !Poll.wait([.init(listener.number)], timeout: .seconds(30)).isEmpty
    }

    /// How many have connected.
    func connections() throws(LivemigError) -> Int {
        var count = 0
        while try !Poll.wait([.init(listener.number)], timeout: .zero).isEmpty {
            let connection = accept(listener.number, nil, nil)
            if connection >= 0 { close(connection) }
            count += 1
        }
        return count
    }

    /// An inventory with a host at this port.
    func inventory(_ folder: ScratchFolder, hosts: [String] = ["gamma"]) throws(LivemigError)
        -> String
    {
        _ = try SSHServerFixture.makeKey(folder, "key")
        let key = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        let list = hosts.map { host in
            """
            <host name="\(host)" address="127.0.0.1" port="\(number)" identity="\(folder.path("key"))">
            <hostKey>\(key)</hostKey></host>
            """
        }
        try folder.write(
            "<livemig version=\"1\">\(list.joined())</livemig>", to: "silent.xml", mode: 0o600)
        return folder.path("silent.xml")
    }
}
