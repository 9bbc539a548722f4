import Glibc
import GuestMemory
import LinuxSystem
public import MigrationModel
import WireProtocol

/// What all of the agent's programs have in common: their surroundings, and how they end.
public enum AgentProgram {
    /// The exit status of a command that a peer's key may not run (sysexits.h, `EX_USAGE`).
    static let refusedStatus: Int32 = 64

    /// Runs a program; an error goes to standard error and into the exit status.
    ///
    /// Agents ignore SIGPIPE and SIGHUP: a connection's end is a read or write that fails, and a
    /// guardian must outlive it. Guest memory passes through agents, so they dump no core and say
    /// nothing of a crash.
    ///
    /// - Parameters:
    ///   - inherited: how many descriptors are the program's to use; those beyond are closed.
    ///   - body: the program.
    public static func run(
        inheriting inherited: CInt = 3, _ body: () throws(LivemigError) -> Void
    ) throws {
        _ = signal(SIGPIPE, SIG_IGN)
        _ = signal(SIGHUP, SIG_IGN)
        do throws(LivemigError) {
            try PrivateProcess.leaveSurroundings(closingFrom: inherited)
            // The page tables of a process that hides its memory are root's to read, its own too.
            _ = TrackingSupport.ofThisProcess
            PrivateProcess.keepMemoryPrivate()
            try body()
        } catch {
            let line = Array("livemig-agent: \(error)\n".utf8)
            try? DescriptorIO.write(line, to: STDERR_FILENO)
            ProgramEnd.leave(error.code == .gate ? refusedStatus : error.code.exitCode.rawValue)
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
