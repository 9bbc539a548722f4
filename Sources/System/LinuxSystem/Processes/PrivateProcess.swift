import CLinux
import Glibc
public import MigrationModel

/// What a process does first, so that nothing of its memory gets out and nothing of its caller's
/// surroundings gets in.
public enum PrivateProcess {
    /// Keeps guest memory that passes through this process out of core dumps and crash reports.
    ///
    /// No core dump, whoever handles them; no tracing by other processes of the same user; and no
    /// report by Swift's runtime, which installs its handlers before `main` and obeys a variable
    /// that sshd does not pass on.
    public static func keepMemoryPrivate() {
        _ = clinux_forbid_core_dumps()
        _ = clinux_hide_memory()
        clinux_crash_silently()
    }

    /// As `keepMemoryPrivate`, for a program whose page tables an agent of the same user reads.
    public static func keepMemoryOutOfDumps() {
        _ = clinux_forbid_core_dumps()
        clinux_crash_silently()
    }

    /// Leaves behind what the caller brought along: environment, folder, file mode mask and open
    /// descriptors; and any privilege that a program file could add.
    ///
    /// Called before other threads start.
    /// - Parameter first: the first descriptor to close.
    /// - Throws: `E-PERMISSION` when the system refuses.
    public static func leaveSurroundings(closingFrom first: CInt) throws(LivemigError) {
        _ = umask(0o077)
        try SystemCall.checkNegated("close_range", as: .permission) { clinux_close_from(first) }
        try SystemCall.checkNegated("clearenv", as: .permission) { clinux_reset_environment() }
        try SystemCall.check("chdir", at: "/", as: .permission) { unsafe chdir("/") }
        try SystemCall.checkNegated("prctl(PR_SET_NO_NEW_PRIVS)", as: .permission) {
            clinux_forbid_new_privileges()
        }
    }
}
