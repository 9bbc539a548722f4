import Glibc
import LinuxSystem
public import MigrationModel
import SystemPackage

/// A user for each VM of a host, so that a guest that breaks out of its hypervisor reaches neither
/// the memory nor the disks of others.
///
/// A VM keeps its number, in a file of its folder, until the folder goes.
public struct HypervisorUserPool: Sendable {
    private let machines: String
    private let range: HypervisorUserRange

    /// Names the folder that has a folder for each VM, and the numbers to use.
    public init(machines: String, range: HypervisorUserRange) {
        self.machines = machines
        self.range = range
    }

    /// The user of a VM's hypervisor, a new one where it has none of the range.
    ///
    /// A new number is one that no other VM has, no process runs as, and no user of the host has.
    /// - Throws: `E-RESOURCE` when the range is used up, `E-FILE` when it cannot be written down.
    public func user(for folder: MachineFolder) throws(LivemigError) -> HypervisorUser {
        let turn = try OwnedDescriptor.open(machines, O_RDONLY | O_DIRECTORY, as: .root)
        let number = turn.number
        try SystemCall.check("flock", at: machines) { flock(number, LOCK_EX) }
        var taken: Set<UInt32> = []
        for name in try FolderListing.names(in: machines) {
            let other = "\(machines)/\(name)"
            guard other != folder.path else { continue }
            if let id = Self.read(MachineFolder(path: other)) { taken.insert(id) }
        }
        if let own = Self.read(folder), range.ids.contains(own), !taken.contains(own) {
            return HypervisorUser(numbered: own)
        }
        taken.formUnion(try Self.usersOfProcesses())
        guard let free = range.ids.first(where: { !taken.contains($0) && !Self.isNamed($0) })
        else {
            throw LivemigError(
                .resource, "no user number is left for the VM's hypervisor", at: "\(range)",
                fix: "widen the range: livemig host settings --hypervisor-users")
        }
        try Self.write(free, to: folder)
        return HypervisorUser(numbered: free)
    }

    private static func read(_ folder: MachineFolder) -> UInt32? {
        guard let file = try? PrivateFile.open(folder.hypervisorUser, O_RDONLY, as: .file),
            let bytes = try? DescriptorIO.readFully(upTo: 16, from: file.number)
        else { return nil }
        return UInt32(String(decoding: bytes, as: UTF8.self).prefix { $0 != "\n" })
    }

    private static func write(
        _ id: UInt32, to folder: MachineFolder
    ) throws(LivemigError) {
        let new = folder.hypervisorUser + ".new"
        _ = unsafe unlink(new)
        let file = try OwnedDescriptor.open(new, O_WRONLY | O_CREAT | O_EXCL)
        try DescriptorIO.write(Array("\(id)\n".utf8), to: file.number, at: new)
        let number = file.number
        try SystemCall.check("fdatasync", at: new, as: .file) { fdatasync(number) }
        try SystemCall.check("rename", at: folder.hypervisorUser, as: .file) {
            unsafe rename(new, folder.hypervisorUser)
        }
    }

    /// Whom processes of this host run as: one that outlived its VM keeps its number.
    private static func usersOfProcesses() throws(LivemigError) -> Set<UInt32> {
        var users: Set<UInt32> = []
        for name in try FolderListing.names(in: "/proc") where Int32(name) != nil {
            guard let status = ProcessFile.read("/proc/\(name)/status", limit: 4096),
                let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Uid:") })
            else { continue }
            users.formUnion(line.split(whereSeparator: \.isWhitespace).compactMap { UInt32($0) })
        }
        return users
    }

    private static func isNamed(_ id: UInt32) -> Bool { unsafe getpwuid(id) != nil }
}
