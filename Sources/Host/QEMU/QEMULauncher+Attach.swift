public import Hypervisor
import LinuxSystem
public import MigrationModel

extension QEMULauncher {
    /// How long a QEMU that runs may take to answer a new client of its monitor.
    ///
    /// It serves one client at a time and notices the end of the last one in its main loop, which
    /// a slow disk can hold up for seconds.
    private static let attachTimeout = Duration.seconds(10)

    /// Takes over a QEMU whose guardian has died.
    ///
    /// Events that nobody has read are of no consequence: everything is asked for anew. Device
    /// state that was being saved is taken back, so that the guest can be resumed.
    ///
    /// - Throws: `E-QEMU` when QEMU does not answer, or runs another VM; QEMU lives on then.
    public func attach(
        _ definition: VMDefinition, to process: HypervisorProcess, folder: MachineFolder
    ) throws(LivemigError) -> any VirtualMachine {
        let hypervisor = try QEMUProcess(
            adopting: process, program: (try? program(of: definition)) ?? "", folder: folder)
        let socket = try UnixSocket.connect(
            folder.monitorSocket, .stream, as: .qemu, within: Self.attachTimeout)
        guard hypervisor.isPeer(of: socket.number) else {
            throw LivemigError(
                .qemu, "the monitor is not that of process \(process.id)",
                at: folder.monitorSocket)
        }
        do {
            let monitor = try QMPConnection(
                socket, at: folder.monitorSocket, deadline: .now + Self.attachTimeout)
            let uuid = try monitor.execute(QueryUUID()).uuid
            guard uuid.lowercased() == definition.uuid.description else {
                throw LivemigError(
                    .qemu, "process \(process.id) runs VM \(uuid.escaped())",
                    at: folder.monitorSocket)
            }
            // A machine that waits for its state saves none, and its status here is the loading's.
            if MachineStatus(runState: try monitor.execute(QueryStatus()).status) != .incoming {
                try QEMUMachine.cancelSaving(on: monitor)
            }
            return try QEMUMachine(hypervisor, monitor)
        } catch let error as QMPError {
            let reason = error.livemigError
            throw LivemigError(reason.code == .qmp ? .qemu : reason.code, reason.what)
        } catch let error as LivemigError {
            throw error
        } catch {
            throw LivemigError(.internal, "\(error)")
        }
    }
}
