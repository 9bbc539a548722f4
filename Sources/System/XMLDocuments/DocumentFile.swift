import Glibc
public import MigrationModel

/// Files that hold documents: read only when regular, replaced only as a whole.
public enum DocumentFile {
    /// Who may be able to write a file that is read.
    public enum Writers: Hashable, Sendable {
        /// A group, but not everybody: a document that somebody hands in.
        case group
        /// Its owner alone, who is this user or root: a document that decides whom to trust, or
        /// that this program has written itself. Another file is an error of the code given.
        case owner(ErrorCode)
    }

    /// What may be at a path that is read.
    public enum Source: Hashable, Sendable {
        /// A regular file, not behind a symbolic link: one that this program has written.
        case own
        /// What people name and arrange: a regular file, through links or not, or a pipe without a
        /// name, such as a shell makes for `<(…)`. `Writers` holds for what is at the end of links.
        case named
    }

    /// Reads a file of at most `limit` bytes.
    ///
    /// The file is judged by `fstat` on the open descriptor, so nothing can be exchanged in
    /// between. Own files are opened with `O_NOFOLLOW`; `O_NONBLOCK` keeps a FIFO from blocking the
    /// open (open(2)).
    /// - Throws: `E-FILE` when it cannot be opened or read, `E-FILETYPE` for what `source` does not
    ///   allow, `E-PERMISSION` or the code in `writers` when others may write it, `E-XML-LIMIT`
    ///   when longer than `limit`.
    public static func read(
        path: String, limit: Int = ParserLimits.standard.bytes, writers: Writers = .group,
        source: Source = .own
    ) throws(LivemigError) -> [UInt8] {
        let strict = source == .own ? O_NOFOLLOW : 0
        let file = try OwnedDescriptor(
            path: path, flags: O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | strict)
        let length = try file.length(path: path, writers: writers, source: source)
        guard length <= limit else { throw tooLong(path, limit) }
        // One byte more than allowed: a file that grows while it is read is noticed.
        let bytes = try file.read(atMost: limit + 1, path: path)
        guard bytes.count <= limit else { throw tooLong(path, limit) }
        return bytes
    }

    /// Whether anything is at the path, a dangling symbolic link included.
    /// - Throws: `E-FILE` or `E-PERMISSION` when that cannot be told.
    public static func exists(path: String) throws(LivemigError) -> Bool {
        var status = stat()
        if unsafe lstat(path, &status) == 0 { return true }
        guard errno == ENOENT else {
            throw OwnedDescriptor.failure("cannot examine the file", path, errno)
        }
        return false
    }

    /// The path at the end of a chain of symbolic links, whether or not a file is there.
    ///
    /// A change is made there: replacing a link would part it from the file that others read.
    /// - Throws: `E-FILETYPE` for links in a circle, `E-FILE` or `E-PERMISSION` when a link cannot
    ///   be read.
    public static func target(of path: String) throws(LivemigError) -> String {
        var path = path
        for _ in 0..<linkLimit {
            var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
            let count = unsafe readlink(path, &bytes, bytes.count)
            guard count >= 0 else {
                guard errno == EINVAL || errno == ENOENT else {
                    throw OwnedDescriptor.failure("cannot examine the file", path, errno)
                }
                return path
            }
            let link = String(
                decoding: bytes.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            path = link.hasPrefix("/") ? link : "\(folder(of: path))/\(link)"
        }
        throw OwnedDescriptor.failure("cannot examine the file", path, ELOOP)
    }

    /// As many as the kernel follows (path_resolution(7)).
    private static let linkLimit = 40

    /// Waits for whoever else changes the file, then runs `change` with no other writer in between.
    ///
    /// The lock is a file beside it, mode 0600, that stays.
    /// - Throws: `E-FILE` or `E-PERMISSION` for the lock, and what `change` throws.
    public static func withTurn<Result>(
        toChange path: String, _ change: () throws(LivemigError) -> Result
    ) throws(LivemigError) -> Result {
        let lockPath = "\(path).lock"
        let lock = try OwnedDescriptor(
            path: lockPath, flags: O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode: 0o600)
        try lock.lock(path: lockPath)
        return try change()
    }

    /// Puts new contents in the place of a file, so that a reader or a crash sees the old file or
    /// the new one, never a part.
    ///
    /// Writes a temporary file of mode 0600 in the same folder, then fsync, rename, fsync of the
    /// folder (rename(2), fsync(2)).
    /// - Throws: `E-FILE`, or `E-FSYNC` when the medium did not take the contents.
    public static func replace(path: String, contents: String) throws(LivemigError) {
        let folder = folder(of: path)
        let random = UInt64.random(in: .min ... .max).hexadecimal
        let temporary = "\(folder)/.livemig-\(random).new"
        do throws(LivemigError) {
            let file = try OwnedDescriptor(
                path: temporary, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                mode: 0o600)
            try file.write(Array(contents.utf8), path: temporary)
            try file.synchronize(path: temporary)
            guard unsafe rename(temporary, path) == 0 else {
                throw OwnedDescriptor.failure("cannot replace the file", path, errno)
            }
        } catch {
            _ = unsafe unlink(temporary)
            throw error
        }
        let directory = try OwnedDescriptor(
            path: folder, flags: O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try directory.synchronize(path: folder)
    }

    /// The folder that holds a file.
    public static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func tooLong(_ path: String, _ limit: Int) -> LivemigError {
        LivemigError(.xmlLimit, "file is longer than \(limit) bytes", at: path)
    }
}
