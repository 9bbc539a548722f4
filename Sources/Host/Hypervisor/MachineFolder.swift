import Glibc
import LinuxSystem
public import MigrationModel
import SystemPackage

/// The files of one VM in `<root>/vms/<name>`, mode 0700.
public struct MachineFolder: Hashable, Sendable {
    /// The folder itself.
    public let path: String
    /// Whether its record may be on a file system that can lose it.
    public let allowsVolatileRecord: Bool
    /// The host's folder of what it remembers of rights, which outlives the VM's; `nil` where
    /// nothing is remembered.
    public let memories: String?

    /// Names a folder.
    public init(path: String, allowsVolatileRecord: Bool = false, memories: String? = nil) {
        self.path = path
        self.allowsVolatileRecord = allowsVolatileRecord
        self.memories = memories
    }

    /// The VM's definition, an XML document.
    public var definition: String { path + "/definition.xml" }
    /// The durable record of the right to run the VM.
    public var record: String { path + "/ownership" }
    /// Where the guardian listens for agents.
    public var guardianSocket: String { path + "/guardian.sock" }
    /// What the guest wrote to its first serial port of late.
    public var consoleLog: String { path + "/console.log" }
    /// What the hypervisor printed.
    public var hypervisorLog: String { path + "/hypervisor.log" }
    /// Which process is the hypervisor.
    public var hypervisorRecord: String { path + "/hypervisor" }
    /// The number of the user that the hypervisor runs as, where each VM has its own.
    public var hypervisorUser: String { path + "/hypervisor-user" }
    /// How large the guest's device state was when it was last seen.
    public var deviceStateSize: String { path + "/device-state-size" }
    /// The memory and devices of a guest that was saved; there only while that is the guest.
    public var saved: String { path + "/saved" }
    /// The same before it counts, or when it counts no more.
    public var unfinishedSave: String { path + "/saved.unfinished" }
    /// A guest that was saved here and has lost the right to run: kept for whoever wants it.
    public var overruledSave: String { path + "/saved.overruled" }
    /// The definition of that guest.
    public var overruledDefinition: String { path + "/definition.overruled.xml" }

    /// The one folder that the hypervisor can write to: it listens there.
    public var sockets: String { path + "/run" }
    /// The hypervisor's monitor: only the guardian connects.
    public var monitorSocket: String { sockets + "/monitor.sock" }
    /// Where the preload library listens.
    public var memorySocket: String { sockets + "/memory.sock" }
    /// The guest's first serial port.
    public var consoleSocket: String { sockets + "/console.sock" }
    /// What the guest wrote there before that.
    public var previousConsoleLog: String { consoleLog + ".1" }

    /// The hypervisor's sockets of a number of serial ports, which the guardian alone connects to.
    public func serialSockets(_ count: Int) -> [String] {
        (0..<max(0, count)).map { $0 == 0 ? consoleSocket : "\(sockets)/serial\($0).sock" }
    }

    /// Makes the folder of sockets, or takes over the one that is there, for the hypervisor's user.
    ///
    /// - Parameter user: who shall listen there; `nil` for this process's own user.
    /// - Throws: `E-ROOT` when the folder cannot be made, or is not one.
    public func makeSocketFolder(for user: HypervisorUser?) throws(LivemigError) {
        if unsafe mkdir(sockets, 0o700) != 0, errno != EEXIST {
            throw SystemCall.failure("mkdir", .init(rawValue: errno), at: sockets, as: .root)
        }
        let folder = try OwnedDescriptor.open(sockets, O_RDONLY | O_DIRECTORY, as: .root)
        let number = folder.number
        let owner = user?.id ?? geteuid()
        try SystemCall.check("fchown", at: sockets, as: .root) {
            fchown(number, owner, user?.group ?? getegid())
        }
        try SystemCall.check("fchmod", at: sockets, as: .root) { fchmod(number, 0o700) }
    }

    /// Removes what is left of a VM that has gone elsewhere or never came, but for the record.
    public func removeFilesOfDepartedGuest() {
        let logs = [consoleLog, previousConsoleLog, hypervisorLog]
        for path in [definition, saved, unfinishedSave, hypervisorUser, deviceStateSize] + logs {
            _ = unsafe unlink(path)
        }
    }

    /// Keeps a saved guest aside that has lost the right to run, with its definition.
    public func keepOverruledGuest() {
        guard unsafe access(saved, F_OK) == 0 else { return }
        _ = unsafe rename(saved, overruledSave)
        _ = unsafe rename(definition, overruledDefinition)
    }

    /// Removes the sockets of a guardian and a hypervisor that have ended.
    public func removeSockets() {
        _ = unsafe unlink(guardianSocket)
        removeHypervisorSockets()
    }

    /// Removes the folder of sockets of a hypervisor that has ended, with all that it has put there.
    public func removeHypervisorSockets() {
        try? FolderTree.remove(sockets)
        if !mayHaveHypervisor { _ = unsafe unlink(hypervisorRecord) }
    }
}
