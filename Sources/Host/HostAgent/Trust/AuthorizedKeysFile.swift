import CLinux
import Glibc
import LinuxSystem
import MigrationModel
import SystemPackage

/// An authorized_keys file, which belongs to others as well: what livemig does not write itself
/// stays as it is, to the byte.
///
/// A link is followed, and the file behind it changed. Owner, group, mode, access lists and extended
/// attributes stay. What cannot be read whole is refused.
struct AuthorizedKeysFile: Sendable {
    /// The path as it was given.
    let path: String
    /// Whom a new file belongs to; `nil` for this process's user.
    let owner: Owner?

    /// A user and the user's group.
    struct Owner: Hashable, Sendable {
        let user: uid_t
        let group: gid_t
    }

    /// The largest file that is read, in bytes: some 30,000 keys of 4096 bits.
    static let sizeLimit = 16 << 20
    /// How long another program may keep the file's folder locked.
    private static let patience: Duration = .seconds(10)
    /// How often a file that changes meanwhile is read again.
    private static let attempts = 3

    /// What a change has replaced, for undoing it.
    struct Change: Sendable {
        /// The file's bytes before; `nil` when it was not there.
        var before: [UInt8]?
        /// Its bytes afterwards.
        var after: [UInt8]
    }

    /// The whole file; `nil` when there is none.
    /// - Throws: `E-FILE`, `E-FILETYPE` or `E-PERMISSION` for what cannot be read whole or may be
    ///   written by others.
    func read() throws(LivemigError) -> [UInt8]? {
        guard let target = try resolved() else { return nil }
        return try Self.open(target).bytes
    }

    /// Changes the file under a lock that livemig's own programs share.
    ///
    /// - Parameter edit: given the file's bytes, gives the new ones; `nil` leaves it as it is.
    /// - Returns: what was changed; `nil` when nothing was.
    /// - Throws: as `read`; `E-BUSY` when somebody else goes on changing it, and what keeps it from
    ///   being written. The file is as it was then.
    @discardableResult
    func change(
        _ edit: ([UInt8]) throws(LivemigError) -> [UInt8]?
    ) throws(LivemigError) -> Change? {
        let folder = Self.folder(of: try resolved() ?? path)
        let lock = try lock(folder)
        defer { _ = flock(lock.number, LOCK_UN) }
        for _ in 0..<Self.attempts {
            guard let target = try resolved() else {
                guard let after = try edit([]) else { return nil }
                try create(after, in: folder)
                return Change(before: nil, after: after)
            }
            let file = try Self.open(target)
            guard let after = try edit(file.bytes), after != file.bytes else { return nil }
            if try replace(file, at: target, by: after) {
                return Change(before: file.bytes, after: after)
            }
        }
        throw LivemigError(
            .busy, "somebody else is changing the file", at: path, fix: "try again")
    }

    /// Puts back what a change has replaced, unless somebody has changed the file meanwhile.
    /// - Returns: whether the file is as it was before.
    func undo(_ change: Change) throws(LivemigError) -> Bool {
        if change.before == nil, let target = try resolved() {
            guard try Self.open(target).bytes == change.after else { return false }
            try SystemCall.check("unlink", at: target, as: .file) { unsafe unlink(target) }
            return true
        }
        var isOurs = false
        try self.change { (bytes) throws(LivemigError) in
            isOurs = bytes == change.after
            return isOurs ? change.before : nil
        }
        return isOurs
    }

    // MARK: Reading

    private struct OpenFile: ~Copyable {
        let descriptor: OwnedDescriptor
        let status: stat
        let bytes: [UInt8]
    }

    /// The file itself, behind links; `nil` when there is none.
    private func resolved() throws(LivemigError) -> String? {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else {
            guard errno == ENOENT else {
                throw SystemCall.failure("lstat", Errno(rawValue: errno), at: path, as: .file)
            }
            return nil
        }
        guard let resolved = unsafe realpath(path, nil) else {
            let reason = Errno(rawValue: errno)
            guard status.st_mode & S_IFMT == S_IFLNK else {
                throw SystemCall.failure("realpath", reason, at: path, as: .file)
            }
            throw LivemigError(
                .file, "a link that leads nowhere: \(reason)", at: path,
                fix: "mend the link, or name the file with --authorized-keys")
        }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }

    private static func open(_ path: String) throws(LivemigError) -> OpenFile {
        let descriptor = try OwnedDescriptor.open(
            path, O_RDONLY | O_NONBLOCK | O_NOCTTY, as: .file)
        var status = stat()
        let number = descriptor.number
        try SystemCall.check("fstat", at: path, as: .file) { unsafe fstat(number, &status) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw LivemigError(.fileType, "not a regular file", at: path)
        }
        try requireSafety(status, at: path)
        guard status.st_size <= sizeLimit else {
            throw LivemigError(
                .file, "the file has \(status.st_size) bytes, \(sizeLimit) at most are read",
                at: path)
        }
        let bytes = try DescriptorIO.readFully(
            upTo: Int(status.st_size) + 1, from: number, at: path)
        guard bytes.count == status.st_size else {
            throw LivemigError(
                .file, "the file was read to \(bytes.count) of \(status.st_size) bytes", at: path,
                fix: "try again when nobody changes it")
        }
        return OpenFile(descriptor: descriptor, status: status, bytes: bytes)
    }

    /// sshd uses no such file (sshd_config(5), `StrictModes`), and whoever may write it has the
    /// account already.
    private static func requireSafety(_ status: stat, at path: String) throws(LivemigError) {
        guard status.st_mode & 0o022 != 0 else { return }
        let mode = String(status.st_mode & 0o7777, radix: 8)
        throw LivemigError(
            .permission, "others may write it (mode 0\(mode)); sshd would refuse it", at: path,
            fix: "chmod go-w it")
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    private func lock(_ folder: String) throws(LivemigError) -> OwnedDescriptor {
        let lock = OwnedDescriptor(
            owning: try SystemCall.check("open", at: folder, as: .file) {
                unsafe Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            })
        var status = stat()
        let number = lock.number
        try SystemCall.check("fstat", at: folder, as: .file) { unsafe fstat(number, &status) }
        try Self.requireSafety(status, at: folder)
        let deadline = MonotonicTime.now + Self.patience
        while flock(number, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else {
                throw SystemCall.failure("flock", Errno(rawValue: errno), at: folder, as: .file)
            }
            guard deadline > .now else {
                throw LivemigError(
                    .busy,
                    "another program has had the folder locked for "
                        + Self.patience.brief, at: folder)
            }
            usleep(20_000)
        }
        return lock
    }

    // MARK: Writing

    private func create(_ bytes: [UInt8], in folder: String) throws(LivemigError) {
        let file = try OwnedDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL, as: .file)
        do throws(LivemigError) {
            let number = file.number
            if let owner {
                try SystemCall.check("fchown", at: path, as: .file) {
                    fchown(number, owner.user, owner.group)
                }
            }
            try DescriptorIO.write(bytes, to: number, at: path)
            try SystemCall.check("fsync", at: path, as: .file) { fsync(number) }
            try Self.sync(folder)
        } catch {
            _ = unsafe unlink(path)
            throw error
        }
    }

    /// Replaces the file by a new one with the same attributes; where that cannot be done, such as
    /// for a file with several names or one that is mounted, writes into it.
    /// - Returns: `false` when somebody else has changed the file since it was opened.
    private func replace(
        _ file: borrowing OpenFile, at target: String, by bytes: [UInt8]
    ) throws(LivemigError) -> Bool {
        guard file.status.st_nlink == 1 else { return try overwrite(file, at: target, bytes) }
        let folder = Self.folder(of: target)
        let name = "\(folder)/.livemig-\(UInt64.random(in: .min ... .max).hexadecimal)"
        guard let new = try? OwnedDescriptor.open(name, O_WRONLY | O_CREAT | O_EXCL) else {
            return try overwrite(file, at: target, bytes)
        }
        defer { _ = unsafe unlink(name) }
        let number = new.number
        guard clinux_copy_attributes(file.descriptor.number, number) == 0 else {
            return try overwrite(file, at: target, bytes)
        }
        try DescriptorIO.write(bytes, to: number, at: target)
        try SystemCall.check("fsync", at: target, as: .file) { fsync(number) }
        guard Self.isUnchanged(file, at: target) else { return false }
        guard unsafe rename(name, target) == 0 else {
            guard errno == EBUSY || errno == EXDEV else {
                throw SystemCall.failure("rename", Errno(rawValue: errno), at: target, as: .file)
            }
            return try overwrite(file, at: target, bytes)
        }
        try Self.sync(folder)
        return true
    }

    /// Writes into the file; what goes wrong is put right by its former bytes.
    private func overwrite(
        _ file: borrowing OpenFile, at target: String, _ bytes: [UInt8]
    ) throws(LivemigError) -> Bool {
        let writing = try OwnedDescriptor.open(
            target, O_WRONLY | O_NONBLOCK | O_NOCTTY, as: .file)
        guard Self.isUnchanged(file, at: target) else { return false }
        do throws(LivemigError) {
            try Self.write(bytes, to: writing.number, at: target)
        } catch {
            try? Self.write(file.bytes, to: writing.number, at: target)
            throw error
        }
        return true
    }

    private static func write(
        _ bytes: [UInt8], to number: CInt, at target: String
    ) throws(LivemigError) {
        try SystemCall.check("lseek", at: target, as: .file) { lseek(number, 0, SEEK_SET) }
        try DescriptorIO.write(bytes, to: number, at: target)
        try SystemCall.check("ftruncate", at: target, as: .file) {
            ftruncate(number, bytes.count)
        }
        try SystemCall.check("fsync", at: target, as: .file) { fsync(number) }
    }

    private static func isUnchanged(_ file: borrowing OpenFile, at target: String) -> Bool {
        var now = stat()
        guard unsafe lstat(target, &now) == 0 else { return false }
        let then = file.status
        return now.st_dev == then.st_dev && now.st_ino == then.st_ino
            && now.st_size == then.st_size && now.st_mtim.tv_sec == then.st_mtim.tv_sec
            && now.st_mtim.tv_nsec == then.st_mtim.tv_nsec
            && now.st_ctim.tv_sec == then.st_ctim.tv_sec
            && now.st_ctim.tv_nsec == then.st_ctim.tv_nsec
    }

    private static func sync(_ folder: String) throws(LivemigError) {
        let open = OwnedDescriptor(
            owning: try SystemCall.check("open", at: folder, as: .file) {
                unsafe Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            })
        let number = open.number
        try SystemCall.check("fsync", at: folder, as: .file) { fsync(number) }
    }
}
