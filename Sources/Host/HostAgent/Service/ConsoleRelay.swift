import Glibc
import Guardian
import Hypervisor
import Journal
import LinuxSystem
import MigrationModel
import SavedGuests
import WireProtocol

/// Connects a controller to a guest's first serial port, which the VM's guardian reads.
final class ConsoleRelay: Sendable {
    private let socket: OwnedDescriptor
    private let canType: Bool
    private let output: WorkerThread<Void>

    /// How long the guest may take no input before typing fails.
    private static let patience = Duration.seconds(2)

    /// Connects, and sends what the guest writes until the console ends or the controller has gone.
    /// - Throws: `E-NOTRUNNING` for a VM that is off, `E-DEVICE` without a serial port.
    init(_ request: AttachConsole, _ root: HostRoot, to sink: FrameSink) throws(LivemigError) {
        let folder = root.machine(request.name)
        guard (try? MachineStore(root: root).summary(of: request.name))?.state != .saved else {
            throw LivemigError(
                .notRunning, "VM \(request.name) is saved: it has no console", at: folder.path,
                fix: "livemig vm start \(request.name) restores it")
        }
        let ends = try UnixSocket.pair(.stream).release()
        socket = OwnedDescriptor(owning: ends.first)
        let theirs = OwnedDescriptor(owning: ends.second)
        let answer = try GuardianClient(connecting: folder.guardianSocket).request(
            GuardianAttachConsole(access: request.access), with: [theirs.number],
            for: GuardianConsole.self)
        canType = answer.canType
        let reading = OwnedDescriptorBox(try socket.duplicate())
        try sink.send(ConsoleOpened(canType: answer.canType, others: answer.others))
        output = WorkerThread("console") {
            while true {
                let bytes = try DescriptorIO.readAvailable(
                    upTo: 16 << 10, from: reading.descriptor.number)
                if bytes.isEmpty { break }
                try sink.send(ConsoleOutput(bytes: bytes))
            }
            try sink.send(ConsoleEnded(Self.ending(in: folder)))
        }
    }

    /// Types bytes at the guest.
    /// - Throws: `E-STALL` when the guest does not take them.
    func type(_ bytes: [UInt8]) throws(LivemigError) {
        guard canType else { return }
        try DescriptorIO.write(bytes, to: socket.number, stall: Self.patience, at: "console")
    }

    /// Ends the connection.
    func end() {
        _ = shutdown(socket.number, CInt(SHUT_RDWR))
        _ = try? output.join()
    }

    /// What has become of a guest whose console has ended.
    private static func ending(in folder: MachineFolder) -> ConsoleEnding {
        let record = try? Journal.peek(folder.record)
        switch record?.right {
        case .gone, .released: return .moved(to: record?.peer ?? "")
        case .owner where SavedFile(of: folder).exists: return .saved
        default: return isRunning(folder) ? .lost : .off
        }
    }

    /// Whether a hypervisor lives on; one that is ending closes its sockets one after the other.
    private static func isRunning(_ folder: MachineFolder) -> Bool {
        guard let orphan = OrphanedHypervisor(of: folder), let process = try? orphan.claim() else {
            return false
        }
        return process.awaitEnd(patience) == nil
    }
}
