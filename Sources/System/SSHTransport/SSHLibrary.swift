import CLibSSH
import Glibc
import MigrationModel

/// The C library, made ready once per process.
public enum SSHLibrary {
    /// The version of libssh that runs, such as `0.10.6`.
    public static var version: String {
        unsafe string(ssh_version(0)).split(separator: "/").first.map(String.init) ?? "unknown"
    }

    /// Starts the library: no log output, and no SIGPIPE in this process.
    ///
    /// libssh sends with send(2) without `MSG_NOSIGNAL`: a peer that goes away would end the
    /// process instead of an error being returned.
    static func start() { _ = started }

    private static let started: Void = {
        _ = signal(SIGPIPE, SIG_IGN)
        precondition(ssh_init() == SSH_OK, "libssh could not start its cryptographic library")
        ssh_set_log_level(CInt(SSH_LOG_NONE))
    }()
}

/// Text of a C string that may be absent.
func string(_ pointer: UnsafePointer<CChar>?) -> String {
    guard let pointer = unsafe pointer else { return "" }
    return unsafe String(cString: pointer)
}

/// Text of a C string that libssh allocated, which is freed.
func consumedString(_ pointer: UnsafeMutablePointer<CChar>?) -> String? {
    guard let pointer = unsafe pointer else { return nil }
    defer { unsafe ssh_string_free_char(pointer) }
    return unsafe String(cString: pointer)
}
