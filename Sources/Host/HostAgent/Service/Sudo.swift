import Glibc
import LinuxSystem
import MigrationModel

/// Becoming root by sudo(8), for an agent whose user is another one.
public enum Sudo {
    private static let programs = ["/usr/bin/sudo", "/usr/local/bin/sudo", "/bin/sudo"]
    /// The exit status of a shell for a program that is not there (POSIX, 2.8.2).
    private static let missing: Int32 = 127

    /// Replaces this process by the same program as root; returns only where it is root already.
    ///
    /// Called first of all: a process that has given up gaining privileges cannot.
    public static func runAgain(_ arguments: [String]) throws {
        guard geteuid() != 0 else { return }
        guard let sudo = programs.first(where: { unsafe access($0, X_OK) == 0 }) else {
            try? DescriptorIO.write(
                Array("sudo: command not found\n".utf8), to: STDERR_FILENO)
            exit(missing)
        }
        let called = CommandLine.arguments.first ?? ""
        // The name that sudo's rules have, which may be a link.
        let program = called.hasPrefix("/") ? called : try RunningProgram.path()
        let words = [sudo, "-n", "--", program] + arguments
        let failure = ChildProcess.replaceSelf(
            sudo, words, environment: AgentProcess.childEnvironment)
        throw SystemCall.failure("execve", failure, at: sudo, as: .become)
    }
}
