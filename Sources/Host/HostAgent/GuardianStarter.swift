import Glibc
import Guardian
import LinuxSystem
import MigrationModel

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

    /// Starts a guardian as a process of its own.
    private func start(_ arguments: [String], log: CInt) throws(LivemigError) -> GuardianClient {
        let ends = try UnixSocket.pair(.packets).release()
        let mine = OwnedDescriptor(owning: ends.first)
        let theirs = OwnedDescriptor(owning: ends.second)
        var command = ChildProcess.Command(environment.program, arguments)
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
