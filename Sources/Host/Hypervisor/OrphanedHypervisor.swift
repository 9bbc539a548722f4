import CLinux
import Glibc
import LinuxSystem
public import MigrationModel
import SystemPackage

/// A hypervisor whose guardian has died: the guest runs on, and nobody can move or watch it.
///
/// Found by the process that its guardian wrote down. Where that is not there, as beside a
/// hypervisor of an earlier version, the preload library in it answers for as long as it lives; but
/// a hypervisor could keep its library from answering. Whoever is about to start a VM asks first, or
/// the VM would run twice.
public struct OrphanedHypervisor: Hashable, Sendable {
    /// The hypervisor's process id.
    public let process: Int32
    private let folder: MachineFolder
    private let identity: ProcessIdentity?

    /// Looks for a hypervisor that runs for a VM; `nil` when there is none.
    public init?(of folder: MachineFolder) {
        self.folder = folder
        let identity = folder.recordedHypervisor
        switch identity?.condition {
        case .alive:
            guard let identity else { return nil }
            self.identity = identity
            process = identity.id
        case .ended: return nil
        case .unknown, nil:
            guard let process = Self.listener(folder) else { return nil }
            self.identity = nil
            self.process = process
        }
    }

    private static func listener(_ folder: MachineFolder) -> Int32? {
        let socket = try? UnixSocket.connect(folder.memorySocket, .packets, within: connectLimit)
        guard let socket else { return nil }
        let process = clinux_peer_process(socket.number)
        return process > 0 ? process : nil
    }

    /// How long a library that takes no connections is waited for.
    private static let connectLimit = Duration.seconds(5)

    /// Gets hold of the process that was written down.
    private func claim(_ identity: ProcessIdentity) throws(LivemigError) -> HypervisorProcess {
        guard let handle = identity.open() else { throw gone }
        return HypervisorProcess(adopting: process, handle: handle)
    }

    /// Gets hold of the process, so that its number cannot come to mean another one.
    ///
    /// Without its record, the connection to the library shows that the process lived when its
    /// descriptor was opened.
    /// - Throws: `E-NOTRUNNING` when it has ended.
    public func claim() throws(LivemigError) -> HypervisorProcess {
        if let identity { return try claim(identity) }
        let socket = try UnixSocket.connect(
            folder.memorySocket, .packets, as: .notRunning, within: Self.connectLimit)
        let number = clinux_pidfd_open(process)
        guard number >= 0 else { throw gone }
        let handle = OwnedDescriptor(owning: number)
        let hangup = try Poll.wait([.init(socket.number, 0)], timeout: .zero)
        let claimed = HypervisorProcess(adopting: process, handle: handle)
        guard hangup.isEmpty, claimed.isPeer(of: socket.number) else { throw gone }
        return claimed
    }

    private var gone: LivemigError {
        LivemigError(.notRunning, "the VM's hypervisor has ended", at: "process \(process)")
    }

    /// The refusal to start the VM beside it.
    public var refusal: LivemigError {
        LivemigError(
            .vmState, "the VM's hypervisor runs without its guardian", at: "process \(process)",
            fix: "livemig-agent recover on this host takes it over, livemig vm stop powers it off")
    }

    /// Powers the guest off.
    /// - Throws: `E-CLEANUP` when the process does not end.
    public func end() throws(LivemigError) {
        let claimed: HypervisorProcess
        do throws(LivemigError) {
            claimed = try claim()
        } catch  where error.code == .notRunning {
            return
        }
        claimed.kill()
        guard claimed.poll() != nil else {
            throw LivemigError(.cleanup, "process \(process) does not end")
        }
    }
}
