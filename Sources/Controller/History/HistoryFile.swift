import Glibc
import LinuxSystem
import MigrationModel
import SystemPackage

/// The history's file as the file system has it: private, in a folder that others may not write.
///
/// SQLite rolls back what it finds in a file beside the database, so whoever may write the folder
/// could change the history.
enum HistoryFile {
    /// `O_PATH`, which the C library's module does not show (open(2)).
    private static let nameOnly: CInt = 0o10_000_000

    /// Whether the file is there.
    static func exists(_ path: String) throws(LivemigError) -> Bool {
        var status = stat()
        if unsafe lstat(path, &status) == 0 { return true }
        guard errno == ENOENT || errno == ENOTDIR else { throw failure("stat", path) }
        return false
    }

    /// Makes the file with mode 0600, and missing folders with mode 0700.
    static func make(_ path: String) throws(LivemigError) {
        try makeFolder(folder(of: path))
        try checkFolder(of: path)
        guard try !exists(path) else { return }
        do throws(LivemigError) {
            _ = try OwnedDescriptor.open(path, O_RDWR | O_CREAT | O_EXCL, as: .history)
        } catch {
            // Another controller was faster.
            guard try exists(path) else { throw error }
        }
    }

    /// Insists that nobody else may read or exchange the file.
    ///
    /// The descriptor is one that only names the file: closing any other would give up the locks
    /// that SQLite holds on it in this process (fcntl(2)).
    static func check(_ path: String) throws(LivemigError) {
        try checkFolder(of: path)
        _ = try PrivateFile.open(path, nameOnly, as: .history)
    }

    private static func checkFolder(of path: String) throws(LivemigError) {
        let folder = folder(of: path)
        var status = stat()
        guard unsafe stat(folder, &status) == 0 else { throw failure("stat", folder) }
        guard status.st_uid == geteuid() || status.st_uid == 0, status.st_mode & 0o022 == 0 else {
            throw LivemigError(
                .history, "others may write the folder of the history", at: folder,
                fix: "chmod go-w it, or name a file elsewhere by LIVEMIG_HISTORY")
        }
    }

    private static func makeFolder(_ folder: String) throws(LivemigError) {
        var status = stat()
        if unsafe stat(folder, &status) == 0 { return }
        guard errno == ENOENT, folder != "/", folder != "." else { throw failure("stat", folder) }
        try makeFolder(Self.folder(of: folder))
        guard unsafe mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw failure("mkdir", folder)
        }
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func failure(_ call: String, _ path: String) -> LivemigError {
        SystemCall.failure(call, Errno(rawValue: errno), at: path, as: .history)
    }
}
