import Glibc
public import MigrationModel
import SystemPackage

/// Files that belong to this process's user alone.
public enum PrivateFile {
    /// What others may do with the file.
    public enum Exposure: UInt32, Sendable {
        /// Nothing: keys, records.
        case none = 0o077
        /// Read it, at most: logs.
        case readable = 0o022
    }

    /// Opens a file and insists that it is what this program once made there.
    ///
    /// A regular file with one name, of this user, with no more rights for others than stated. It
    /// is judged by `fstat` on the open descriptor, so nothing can be exchanged in between;
    /// `O_NONBLOCK` keeps a FIFO from blocking (open(2)).
    ///
    /// - Parameters:
    ///   - path: the file; a symbolic link is refused.
    ///   - flags: such as `O_RDWR | O_CREAT`; a file that is created gets mode 0600.
    ///   - exposure: what others may do with it.
    ///   - code: the kind of error to report.
    /// - Throws: `code`, saying what is wrong with the file.
    public static func open(
        _ path: String, _ flags: CInt, exposure: Exposure = .none, as code: ErrorCode
    ) throws(LivemigError) -> OwnedDescriptor {
        let file = try OwnedDescriptor.open(path, flags | O_NONBLOCK | O_NOCTTY, as: code)
        try check(file, at: path, exposure: exposure, as: code)
        return file
    }

    private static func check(
        _ file: borrowing OwnedDescriptor, at path: String, exposure: Exposure, as code: ErrorCode
    ) throws(LivemigError) {
        var status = stat()
        let number = file.number
        try SystemCall.check("fstat", at: path, as: code) { unsafe fstat(number, &status) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw LivemigError(code, "not a regular file", at: path)
        }
        guard status.st_uid == geteuid() else {
            throw LivemigError(
                code, "the file belongs to user \(status.st_uid), not to \(geteuid())", at: path)
        }
        guard status.st_nlink == 1 else {
            throw LivemigError(
                code, "the file has \(status.st_nlink) names", at: path,
                fix: "find out who linked it; copy it and put the copy in its place")
        }
        guard status.st_mode & exposure.rawValue == 0 else {
            let mode = String(status.st_mode & 0o7777, radix: 8)
            let may = exposure == .none ? "read or write" : "write"
            throw LivemigError(
                code, "others may \(may) the file (mode 0\(mode))", at: path, fix: "chmod 600 it")
        }
    }
}
