import CLinux
import Glibc
import LinuxSystem
import MigrationModel
import Preflight
import SystemPackage

/// Whether a host has room for what it writes: records, definitions, logs and saved guests.
struct HostSpace {
    let root: HostRoot

    /// Tries it: room for a few records is reserved and given back, in a file without a name.
    ///
    /// What is free by the numbers of a file system may be somebody else's, by a quota, or there may
    /// be no inodes left.
    /// - Throws: `E-DISKSPACE`, and `E-ROOT` where nothing can be written at all.
    func require() throws(LivemigError) {
        let folder = root.machines
        let failure = unsafe clinux_try_space(folder, Int64(HostRules.leastSpace.bytes))
        guard failure < 0 else { return }
        switch Errno(rawValue: -failure) {
        case .noSpace: throw full
        // EDQUOT, which SystemPackage has no name for on Linux.
        case Errno(rawValue: EDQUOT):
            throw LivemigError(
                .diskSpace, "the quota leaves no room for records and logs", at: folder,
                fix: "raise the quota, or free space")
        case .readOnlyFileSystem:
            throw LivemigError(
                .root, "the file system is read-only", at: folder,
                fix: "see why in the kernel's log, then mount it to write")
        // A file system without such files is judged by its numbers.
        default: try requireNumbers()
        }
    }

    private func requireNumbers() throws(LivemigError) {
        var system = statvfs()
        guard unsafe statvfs(root.machines, &system) == 0 else { return }
        if Self.free(system) < HostRules.leastSpace { throw full }
    }

    private var full: LivemigError {
        var system = statvfs()
        let isKnown = unsafe statvfs(root.machines, &system) == 0
        // A file system that makes inodes as it needs them has none by its numbers.
        if isKnown, system.f_files > 0, system.f_favail == 0 {
            return LivemigError(
                .diskSpace, "no inode is left for records and logs", at: root.machines,
                fix: "remove files on that file system")
        }
        let left = isKnown ? ", \(Self.free(system)) left" : ""
        return LivemigError(
            .diskSpace, "no room for records and logs\(left)", at: root.machines,
            fix: "free space on that file system")
    }

    /// What is free for users.
    static func free(_ system: statvfs) -> ByteCount {
        let (bytes, isBeyond) = UInt64(system.f_bavail)
            .multipliedReportingOverflow(by: UInt64(system.f_frsize))
        return ByteCount(isBeyond ? .max : bytes)
    }
}
