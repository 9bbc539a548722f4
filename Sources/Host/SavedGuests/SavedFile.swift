import Glibc
public import Hypervisor
import LinuxSystem
public import MigrationModel
import SystemPackage

/// The file of a saved guest, and whether it counts.
///
/// The guest in a hypervisor and the guest in the file are never both to be had: the file counts
/// from the rename that gives it its name to the rename that takes it away, both of them on the
/// medium before anything follows. Only the VM's guardian makes them, with the record locked.
public struct SavedFile: Hashable, Sendable {
    private let folder: MachineFolder

    /// Names the file of a VM.
    public init(of folder: MachineFolder) { self.folder = folder }

    /// Where it is while it counts.
    public var path: String { folder.saved }

    /// Whether a saved guest is there.
    public var exists: Bool {
        var status = stat()
        return unsafe lstat(folder.saved, &status) == 0
    }

    /// Lets the file count that was written whole.
    /// - Throws: `E-FSYNC` and the like; the file does not count then.
    public func keep() throws(LivemigError) {
        try Self.rename(folder.unfinishedSave, folder.saved)
        do throws(LivemigError) {
            try synchronize()
        } catch {
            // A power loss may still bring the name back: what it names must be worthless then.
            try? spoil(folder.saved)
            try? Self.rename(folder.saved, folder.unfinishedSave)
            throw error
        }
    }

    /// Takes its worth from the file, before the guest runs: from now on it does not count.
    /// - Throws: `E-FSYNC` and the like; the guest must not run then.
    public func spend() throws(LivemigError) {
        try Self.rename(folder.saved, folder.unfinishedSave)
        try synchronize()
    }

    /// Removes the file, whether it counts or not; on the medium when this returns.
    /// - Throws: `E-IO` and the like when it may still be there.
    public func discard() throws(LivemigError) {
        for path in [folder.saved, folder.unfinishedSave] { try Self.remove(path) }
        try synchronize()
    }

    /// Removes what does not count.
    public func removeUnfinished() { _ = unsafe unlink(folder.unfinishedSave) }

    private func spoil(_ path: String) throws(LivemigError) {
        let file = try OwnedDescriptor.open(path, O_WRONLY, as: .io)
        let number = file.number
        let zeros = [UInt8](repeating: 0, count: SavedHeader.size)
        try SystemCall.check("pwrite", at: path) { unsafe pwrite(number, zeros, zeros.count, 0) }
        try SystemCall.check("fdatasync", at: path, as: .fsync) { fdatasync(number) }
    }

    private func synchronize() throws(LivemigError) {
        let path = folder.path
        let directory = try OwnedDescriptor.open(path, O_RDONLY | O_DIRECTORY, as: .io)
        let number = directory.number
        try SystemCall.check("fsync", at: path, as: .fsync) { fsync(number) }
    }

    private static func rename(_ from: String, _ to: String) throws(LivemigError) {
        try SystemCall.check("rename", at: from) { unsafe Glibc.rename(from, to) }
    }

    private static func remove(_ path: String) throws(LivemigError) {
        guard unsafe unlink(path) != 0, errno != ENOENT else { return }
        throw SystemCall.failure("unlink", Errno(rawValue: errno), at: path)
    }
}
