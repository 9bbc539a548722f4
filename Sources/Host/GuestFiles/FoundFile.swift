import CLinux
import Glibc
public import Hypervisor
public import LinuxSystem
public import MigrationModel
import SystemPackage

/// A file that a name leads to, found and not opened.
public final class FoundFile: Sendable {
    /// Its real path.
    public let path: String
    /// Type, mode, owner, size and identity (stat(2)).
    let status: stat
    private let handle: OwnedDescriptor

    /// Finds a file, following links.
    /// - Parameters:
    ///   - path: its name.
    ///   - user: another user to try as where this process's own may not enter a folder.
    ///   - code: the kind of error.
    /// - Returns: `nil` where there is none.
    /// - Throws: an error of kind `code` where a folder on the way cannot be entered.
    init?(_ path: String, orAs user: HypervisorUser?, as code: ErrorCode) throws(LivemigError) {
        var number = unsafe Glibc.open(path, clinux_open_path | O_CLOEXEC)
        var failure = Errno(rawValue: number < 0 ? errno : 0)
        if failure == .permissionDenied, let user {
            number = unsafe clinux_open_as(user.name, user.id, user.group, path, clinux_open_path)
            failure = Errno(rawValue: max(0, -number))
        }
        guard number >= 0 else {
            if failure == .noSuchFileOrDirectory || failure == .notDirectory { return nil }
            throw SystemCall.failure("open", failure, at: path, as: code)
        }
        handle = OwnedDescriptor(owning: number)
        var status = stat()
        try SystemCall.check("fstat", at: path, as: code) { unsafe fstat(number, &status) }
        self.status = status
        guard status.st_nlink > 0, let real = Self.target(of: "/proc/self/fd/\(number)") else {
            return nil
        }
        self.path = real
    }

    var isRegular: Bool { status.st_mode & S_IFMT == S_IFREG }

    /// What it is, in words.
    var type: String {
        switch status.st_mode & S_IFMT {
        case S_IFBLK: "a block device"
        case S_IFCHR: "a character device"
        case S_IFDIR: "a folder"
        case S_IFIFO: "a pipe"
        case S_IFSOCK: "a socket"
        default: "no file"
        }
    }

    /// Opens what was found; only regular files, and devices that are known to be harmless.
    ///
    /// - Parameters:
    ///   - flags: `O_RDONLY` or `O_RDWR`.
    ///   - user: another user to try as where this process's own may not: a server of files may
    ///     trust that one alone (NFS, `root_squash`).
    ///   - code: the kind of error.
    /// - Throws: why it cannot be opened.
    public func open(
        _ flags: CInt, orAs user: HypervisorUser? = nil, as code: ErrorCode
    ) throws(LivemigError) -> OwnedDescriptor {
        let all = flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
        let name = "/proc/self/fd/\(handle.number)"
        let number = unsafe Glibc.open(name, all)
        if number >= 0 { return OwnedDescriptor(owning: number) }
        let failure = Errno(rawValue: errno)
        if failure == .permissionDenied, let user { return try open(all, as: user, code) }
        throw SystemCall.failure("open", failure, at: path, as: code)
    }

    /// Opens what was found with the rights of a user, those on the file itself.
    func open(
        _ flags: CInt, as user: HypervisorUser, _ code: ErrorCode
    ) throws(LivemigError) -> OwnedDescriptor {
        let name = "/proc/self/fd/\(handle.number)"
        let number = unsafe clinux_open_as(user.name, user.id, user.group, name, flags)
        guard number < 0 else { return OwnedDescriptor(owning: number) }
        throw LivemigError(
            code,
            "user \(user.name) may not open it: \(Errno(rawValue: -number))", at: path,
            fix: "give the user of QEMU the rights, or change --hypervisor-user")
    }

    /// What a link says, such as where the kernel says that a descriptor's file is (proc(5)).
    static func target(of link: String) -> String? {
        var bytes = [UInt8](repeating: 0, count: GuestFolders.longestPlace + 1)
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            let start = unsafe buffer.assumingMemoryBound(to: CChar.self)
            guard let address = start.baseAddress else { return 0 }
            return unsafe readlink(link, address, start.count)
        }
        guard count > 0, count < bytes.count else { return nil }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// The path of what a name leads to, without links; `nil` where there is nothing.
    static func realPath(of path: String) -> String? {
        guard let resolved = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }
}
