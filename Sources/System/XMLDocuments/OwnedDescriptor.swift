import Glibc
package import MigrationModel

/// An open file, closed when its owner goes.
package struct OwnedDescriptor: ~Copyable {
    private let number: Int32

    /// Opens a path.
    /// - Throws: `E-FILETYPE` when the path ends in a symbolic link that `flags` refuse,
    ///   `E-PERMISSION` when access is denied, `E-FILE` otherwise.
    package init(path: String, flags: Int32, mode: UInt32 = 0) throws(LivemigError) {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw LivemigError(.file, "not a path: \(path.escaped())")
        }
        var opened: Int32
        repeat { opened = unsafe open(path, flags, mode) } while opened < 0 && errno == EINTR
        guard opened >= 0 else { throw Self.failure("cannot open the file", path, errno) }
        number = opened
    }

    deinit { close(number) }

    /// The length of a file, 0 for a pipe.
    /// - Throws: `E-FILETYPE` for what `source` does not allow, `E-PERMISSION` when everybody may write it, the
    ///   code in `writers` when more may write it than stated there.
    package func length(
        path: String, writers: DocumentFile.Writers, source: DocumentFile.Source
    ) throws(LivemigError) -> Int {
        var status = stat()
        guard unsafe fstat(number, &status) == 0 else {
            throw Self.failure("cannot examine the file", path, errno)
        }
        let kind = status.st_mode & S_IFMT
        guard kind == S_IFREG || (source == .named && waitsForPipe()) else {
            throw LivemigError(.fileType, "not a regular file", at: path)
        }
        switch writers {
        case .owner(let code):
            guard status.st_uid == geteuid() || status.st_uid == 0 else {
                throw LivemigError(
                    code, "the file belongs to user \(status.st_uid), who could change it",
                    at: path, fix: "chown it to the user who runs livemig, or to root")
            }
            guard status.st_mode & (S_IWGRP | S_IWOTH) == 0 else {
                let mode = String(status.st_mode & 0o7777, radix: 8)
                throw LivemigError(
                    code, "others may write the file (mode 0\(mode))", at: path,
                    fix: "chmod go-w \(path)")
            }
        case .group:
            guard status.st_mode & S_IWOTH == 0 else {
                throw LivemigError(
                    .permission, "everybody may write the file", at: path, fix: "chmod o-w \(path)")
            }
        }
        return kind == S_IFREG ? Int(status.st_size) : 0
    }

    /// Whether it is a pipe without a name, which is read as its writers write; one with a name may
    /// never have a writer.
    private func waitsForPipe() -> Bool {
        var name = [CChar](repeating: 0, count: 64)
        let count = unsafe readlink("/proc/self/fd/\(number)", &name, name.count)
        let text = String(
            decoding: name.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // As the kernel names what has no path (proc(5)).
        return text.hasPrefix("pipe:[") && fcntl(number, F_SETFL, 0) == 0
    }

    /// Reads from the current offset to the end of the file or `limit`.
    package func read(atMost limit: Int, path: String) throws(LivemigError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < limit {
            let wanted = min(chunk.count, limit - bytes.count)
            let count = unsafe chunk.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(number, buffer.baseAddress, wanted)
            }
            if count == 0 { break }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw Self.failure("cannot read the file", path, errno)
            }
            bytes += chunk[..<count]
        }
        return bytes
    }

    /// Writes everything.
    package func write(_ bytes: [UInt8], path: String) throws(LivemigError) {
        var offset = 0
        while offset < bytes.count {
            let count = unsafe bytes[offset...].withUnsafeBytes { buffer in
                unsafe Glibc.write(number, buffer.baseAddress, buffer.count)
            }
            guard count >= 0 else {
                if errno == EINTR { continue }
                throw Self.failure("cannot write the file", path, errno)
            }
            offset += count
        }
    }

    /// Has the medium take what was written.
    /// - Throws: `E-FSYNC`; what was written may be gone then (fsync(2)).
    package func synchronize(path: String) throws(LivemigError) {
        guard fsync(number) == 0 else {
            throw LivemigError(
                .fsync, "the medium did not take the file: \(Self.words(for: errno))", at: path)
        }
    }

    /// Waits for the exclusive lock on the open file; closing gives it back (flock(2)).
    package func lock(path: String) throws(LivemigError) {
        while flock(number, LOCK_EX) != 0 {
            guard errno == EINTR else { throw Self.failure("cannot lock the file", path, errno) }
        }
    }

    /// Words an error of a system call on a path.
    package static func failure(_ what: String, _ path: String, _ number: Int32) -> LivemigError {
        switch number {
        case ELOOP, ENXIO, EISDIR: LivemigError(.fileType, "not a regular file", at: path)
        case EACCES, EPERM: LivemigError(.permission, "\(what): \(words(for: number))", at: path)
        default: LivemigError(.file, "\(what): \(words(for: number))", at: path)
        }
    }

    private static func words(for number: Int32) -> String {
        // glibc's strerror writes to storage of the calling thread (strerror(3), from 2.32).
        unsafe strerror(number).map { unsafe String(cString: $0) } ?? "errno \(number)"
    }
}
