import CLinux
import Glibc
import LinuxSystem
public import MigrationModel
import SystemPackage

/// A hypervisor whose guardian has died: the guest runs on, and nobody can move or watch it.
///
/// Found by the preload library in it, which answers for as long as the process lives. Whoever is
/// about to start a VM asks first, or the VM would run twice.
public struct OrphanedHypervisor: Hashable, Sendable {
    /// The hypervisor's process id.
    public let process: Int32

    /// Looks for a hypervisor that runs for a VM; `nil` when there is none.
    public init?(of folder: MachineFolder) {
        guard let socket = try? UnixSocket.connect(folder.memorySocket, .packets) else {
            return nil
        }
        let process = clinux_peer_process(socket.number)
        guard process > 0 else { return nil }
        self.process = process
    }

    /// The refusal to start the VM beside it.
    public var refusal: LivemigError {
        LivemigError(
            .vmState, "the VM's hypervisor runs without its guardian", at: "process \(process)",
            fix: "power it off with livemig vm stop, then start the VM again")
    }

    /// Powers the guest off.
    /// - Throws: `E-CLEANUP` when the process does not end.
    public func end() throws(LivemigError) {
        let number = clinux_pidfd_open(process)
        guard number >= 0 else { return }
        let handle = OwnedDescriptor(owning: number)
        _ = clinux_pidfd_signal(handle.number, SIGKILL)
        let ended = try Poll.wait([.init(handle.number)], timeout: .seconds(10))
        guard !ended.isEmpty else {
            throw LivemigError(.cleanup, "process \(process) does not end")
        }
    }
}
