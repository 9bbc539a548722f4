import CLinux
import Glibc
import LinuxSystem
public import MigrationModel
import WireProtocol

/// What all of the agent's programs have in common: their surroundings, and how they end.
public enum AgentProgram {
    /// Runs a program; an error goes to standard error and into the exit status.
    ///
    /// Agents ignore SIGPIPE and SIGHUP: a connection's end is a read or write that fails, and a
    /// guardian must outlive it. Core dumps would hold guest memory, so there are none.
    public static func run(_ body: () throws(LivemigError) -> Void) throws {
        _ = signal(SIGPIPE, SIG_IGN)
        _ = signal(SIGHUP, SIG_IGN)
        _ = umask(0o077)
        _ = clinux_forbid_core_dumps()
        do throws(LivemigError) {
            try body()
        } catch {
            let line = Array("livemig-agent: \(error)\n".utf8)
            try? DescriptorIO.write(line, to: STDERR_FILENO)
            exit(error.code.exitCode.rawValue)
        }
    }
}

/// The version of this program, as it greets.
public enum AgentVersion {
    /// Such as `0.1.0 (protocol 1)`.
    public static var text: String {
        "\(Banner.currentProgram) (protocol \(Banner.currentProtocol))"
    }
}

/// What a host can do, for a person.
public struct DoctorReport {
    /// One fact a line.
    public let lines: [String]

    /// Asks the system.
    public init(_ environment: AgentEnvironment) {
        let facts = HostFactsProbe(environment: environment).facts()
        lines = [
            "agent       \(facts.agentVersion)",
            "kernel      \(facts.kernel) \(facts.architecture), \(facts.processors) processors",
            "tracking    \(facts.tracking)",
            "hypervisor  \(facts.hypervisor)",
            "KVM         \(facts.hasKVM ? "/dev/kvm can be opened" : "not usable here")",
            "memory      \(facts.memoryAvailable) available of \(facts.memoryTotal)",
        ]
    }
}
