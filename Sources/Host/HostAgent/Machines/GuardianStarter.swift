import Glibc
import Guardian
import LinuxSystem
public import MigrationModel
import WireProtocol

/// Starts guardians: processes in sessions of their own, which live as long as their VM.
struct GuardianStarter: Sendable {
    let environment: AgentEnvironment

    /// The number under which a guardian finds the connection to its starter.
    static let starterDescriptor: CInt = 3

    /// How long a guardian that a service manager starts may take to connect.
    private static let connectLimit = Duration.seconds(20)

    /// Starts a guardian; the connection is its first client.
    ///
    /// - Parameters:
    ///   - name: the VM, whose definition is in its folder.
    ///   - arguments: what the guardian is to do besides.
    func start(_ name: VMName, _ arguments: [String] = []) throws(LivemigError) -> GuardianClient {
        let log = try PrivateFile.open(
            environment.root.log, O_WRONLY | O_CREAT | O_APPEND, exposure: .readable, as: .root)
        let arguments =
            ["guard", "--root", environment.root.path, "--vm", name.text] + arguments
        guard let services = ServiceManager.of(environment.root) else {
            return try start(arguments, log: log.number)
        }
        return try start(name, arguments, by: services)
    }

    /// Starts the guardian of a guest that is to come.
    ///
    /// Which move it is goes over the connection: all users of the host can read the arguments of a
    /// program.
    func start(
        _ name: VMName, incoming attempt: Attempt, from peer: String
    ) throws(LivemigError) -> GuardianClient {
        let guardian = try start(name, ["--incoming"])
        try Packet.send(
            IncomingOrder(attempt: attempt, peer: peer).bytes, to: guardian.descriptor,
            at: "VM \(name)")
        return guardian
    }

    /// Starts a guardian as a process of its own.
    private func start(_ arguments: [String], log: CInt) throws(LivemigError) -> GuardianClient {
        let ends = try UnixSocket.pair(.packets).release()
        let mine = OwnedDescriptor(owning: ends.first)
        let theirs = OwnedDescriptor(owning: ends.second)
        // The file of this build may have been replaced by another one's meanwhile (proc(5)).
        let isThere = unsafe access(environment.program, X_OK) == 0
        var command = ChildProcess.Command(
            isThere ? environment.program : "/proc/self/exe", arguments)
        command.environment = AgentProcess.childEnvironment
        command.descriptors = [2: log, Self.starterDescriptor: theirs.number]
        _ = try ChildProcess(command)
        return GuardianClient(adopting: mine)
    }

    /// Has the service manager start a guardian, which then connects to this process; one that is
    /// started again later finds nobody, and takes its guest over.
    private func start(
        _ name: VMName, _ arguments: [String], by services: ServiceManager
    ) throws(LivemigError) -> GuardianClient {
        let door = try PrivateDoor(PrivateDoor.starter(), in: environment.root)
        try services.start(
            ServiceManager.Service(
                name: "livemig-\(name)", description: "livemig's guardian of VM \(name)",
                command: [environment.program] + arguments + ["--starter", door.path],
                environment: AgentProcess.childEnvironment, log: environment.root.log))
        let deadline = MonotonicTime.now + Self.connectLimit
        while true {
            let left = max(.zero, deadline - .now)
            guard try !Poll.wait([.init(door.descriptor)], timeout: left).isEmpty else {
                throw LivemigError(.timeout, "the guardian does not answer", at: "VM \(name)")
            }
            if let guardian = try door.accept() { return GuardianClient(adopting: guardian) }
        }
    }
}

/// Which move a guardian waits for, as its starter tells it.
public struct IncomingOrder: Hashable, Sendable {
    /// The attempt.
    public let attempt: Attempt
    /// The source's name.
    public let peer: String

    init(attempt: Attempt, peer: String) {
        self.attempt = attempt
        self.peer = peer
    }

    /// One packet.
    var bytes: [UInt8] {
        var writer = WireWriter()
        writer.bits(attempt.migration.bits)
        writer.integer(attempt.epoch.number)
        writer.text(peer)
        return writer.bytes
    }

    /// Reads a packet.
    /// - Throws: `E-WIRE`.
    init(_ bytes: [UInt8]) throws(LivemigError) {
        do throws(WireError) {
            var reader = unsafe WireReader(bytes.span.bytes)
            attempt = Attempt(
                migration: MigrationID(try reader.bits()), epoch: Epoch(try reader.integer()))
            peer = try reader.text()
            try reader.finish()
        } catch {
            throw LivemigError(.wire, "\(error)", at: "the guardian's starter")
        }
    }
}

/// Rules for the processes that an agent starts.
enum AgentProcess {
    /// A small, fixed environment; Swift's crash handler would print guest memory.
    static var childEnvironment: [String: String] {
        [
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
            "SWIFT_BACKTRACE": "enable=no",
        ]
    }
}
