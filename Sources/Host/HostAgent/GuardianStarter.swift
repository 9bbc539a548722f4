import Glibc
import Guardian
import LinuxSystem
import MigrationModel

/// Starts guardians: processes in sessions of their own, which live as long as their VM.
struct GuardianStarter: Sendable {
    let environment: AgentEnvironment

    /// The number under which a guardian finds the connection to its starter.
    static let starterDescriptor: CInt = 3

    /// Starts a guardian; the connection is its first client.
    ///
    /// - Parameters:
    ///   - name: the VM, whose definition is in its folder.
    ///   - arguments: what the guardian is to do besides.
    func start(_ name: VMName, _ arguments: [String] = []) throws(LivemigError) -> GuardianClient {
        let ends = try UnixSocket.pair(.packets).release()
        let mine = OwnedDescriptor(owning: ends.first)
        let theirs = OwnedDescriptor(owning: ends.second)
        let log = try PrivateFile.open(
            environment.root.log, O_WRONLY | O_CREAT | O_APPEND, exposure: .readable, as: .root)
        var command = ChildProcess.Command(
            environment.program,
            ["guard", "--root", environment.root.path, "--vm", name.text] + arguments)
        command.environment = AgentProcess.childEnvironment
        command.descriptors = [2: log.number, Self.starterDescriptor: theirs.number]
        _ = try ChildProcess(command)
        return GuardianClient(adopting: mine)
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
