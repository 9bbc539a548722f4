import CLinux
import Glibc
public import GuestMemory
public import LinuxSystem
public import MigrationModel
import SystemPackage

/// Which process is a VM's hypervisor: a file that its guardian writes before the hypervisor runs.
///
/// The hypervisor's user cannot reach it. It counts until the host boots again.
extension MachineFolder {
    /// Starts a hypervisor, writes down which process it is, and only then lets it run.
    ///
    /// The preload library waits for that; it ends the process when the one that started it dies
    /// before.
    ///
    /// - Parameters:
    ///   - command: the program with the library's environment; gets one more descriptor.
    ///   - code: the kind of error to report.
    /// - Throws: `code` when the program cannot be started, `E-FILE` when the file cannot be
    ///   written; nothing runs then.
    public func startHypervisor(
        _ command: ChildProcess.Command, as code: ErrorCode
    ) throws(LivemigError) -> HypervisorProcess {
        let gate = try OwnedDescriptor.pipe()
        var command = command
        command.descriptors[PreloadLibrary.gateNumber] = gate.first.number
        let process = HypervisorProcess(try ChildProcess(command, as: code))
        do throws(LivemigError) {
            try write(process)
            try DescriptorIO.write([1], to: gate.second.number, at: "hypervisor")
        } catch {
            process.kill()
            throw error
        }
        return process
    }

    private func write(_ process: HypervisorProcess) throws(LivemigError) {
        guard let identity = ProcessIdentity(of: process.id) else {
            throw LivemigError(.internal, "no process \(process.id) in /proc")
        }
        let new = hypervisorRecord + ".new"
        _ = unsafe unlink(new)
        let file = try OwnedDescriptor.open(new, O_WRONLY | O_CREAT | O_EXCL)
        try DescriptorIO.write(Array(identity.text.utf8), to: file.number, at: new)
        try SystemCall.check("rename", at: hypervisorRecord, as: .file) {
            unsafe rename(new, hypervisorRecord)
        }
    }

    /// The process that is written down; `nil` where none is, as beside a hypervisor that an earlier
    /// version of this program started.
    public var recordedHypervisor: ProcessIdentity? {
        guard let file = try? PrivateFile.open(hypervisorRecord, O_RDONLY, as: .file),
            let bytes = try? DescriptorIO.readFully(
                upTo: ProcessIdentity.textLimit, from: file.number)
        else { return nil }
        return ProcessIdentity(String(decoding: bytes, as: UTF8.self))
    }

    /// Whether the process that is written down may still live.
    var mayHaveHypervisor: Bool {
        guard let recordedHypervisor else { return false }
        return recordedHypervisor.condition != .ended
    }

    /// Has the library in this VM's hypervisor start write tracking.
    /// - Throws: as `PreloadLibrary.startTracking`.
    public func startTracking(
        of memory: borrowing GuestMemoryFile
    ) throws(LivemigError) -> TrackingRegistration {
        try PreloadLibrary.startTracking(
            socket: memorySocket, of: recordedHypervisor, memory: memory)
    }
}
