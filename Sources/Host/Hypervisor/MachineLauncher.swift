import Glibc
public import GuestMemory
public import MigrationModel

/// Starts guests of one kind of hypervisor.
public protocol MachineLauncher: Sendable {
    /// What the hypervisor on this host is, such as `QEMU 7.2.22`.
    /// - Throws: `E-QEMU` when it is not installed or does not start.
    func version(for definition: VMDefinition) throws(LivemigError) -> String

    /// Starts the hypervisor on guest RAM that the caller made.
    ///
    /// Returns when the hypervisor answers; the guest runs or, as incoming, waits for its state.
    /// Serial ports are connected to in between, so that nothing of what the guest writes is lost.
    ///
    /// - Parameters:
    ///   - definition: what to run.
    ///   - memory: guest RAM of the size that the definition says.
    ///   - folder: where sockets and logs go.
    ///   - mode: from power-on, or to receive a guest.
    ///   - connect: called once the hypervisor listens on its sockets.
    /// - Throws: `E-QEMU` with the hypervisor's last words when it fails to start.
    func launch(
        _ definition: VMDefinition, memory: borrowing GuestMemoryFile, folder: MachineFolder,
        mode: LaunchMode, connect: () throws(LivemigError) -> Void
    ) throws(LivemigError) -> any VirtualMachine

    /// Takes over a guest whose guardian has died, as it is: running, paused, or waiting for its
    /// state.
    ///
    /// What the dead guardian had begun, such as saving the device state, is taken back. A call
    /// that throws leaves the hypervisor alive.
    ///
    /// - Parameters:
    ///   - definition: what runs.
    ///   - process: the hypervisor.
    ///   - folder: where its sockets and logs are.
    /// - Throws: `E-QEMU` when the hypervisor does not answer, or runs another VM.
    func attach(
        _ definition: VMDefinition, to process: HypervisorProcess, folder: MachineFolder
    ) throws(LivemigError) -> any VirtualMachine
}

extension MachineLauncher {
    /// Starts the hypervisor without connecting to its sockets.
    public func launch(
        _ definition: VMDefinition, memory: borrowing GuestMemoryFile, folder: MachineFolder,
        mode: LaunchMode
    ) throws(LivemigError) -> any VirtualMachine {
        try launch(definition, memory: memory, folder: folder, mode: mode) {
            () throws(LivemigError) in
        }
    }
}

/// How a guest starts.
public enum LaunchMode: Hashable, Sendable {
    /// From power-on, running at once.
    case powerOn
    /// Stopped, to receive the state of a guest that ran elsewhere.
    case incoming
}
