import Glibc
public import GuestMemory
public import Hypervisor
import LinuxSystem
public import MigrationModel

/// Starts reference guests: real processes with shared memory, writer threads and a device state.
public struct SyntheticLauncher: MachineLauncher {
    private let program: String
    private let library: String

    /// The numbers that descriptors have in the guest's process.
    private static let memoryNumber: CInt = 10
    private static let readyNumber: CInt = 11

    /// Names the files.
    ///
    /// - Parameters:
    ///   - program: `livemig-synthetic-guest`.
    ///   - library: `libguestmemory.so`, as `PreloadLibrary.locate` finds it.
    public init(program: String, library: String) {
        self.program = program
        self.library = library
    }

    /// Looks for the program beside the agent.
    ///
    /// - Parameter agent: the path of the running agent.
    /// - Throws: `E-QEMU` when it is not there.
    public static func locate(besides agent: String) throws(LivemigError) -> String {
        let folder = agent.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        let program = "\(folder)/\(GuestProgram.fileName)"
        guard unsafe access(program, X_OK) == 0 else {
            throw LivemigError(
                .qemu, "\(GuestProgram.fileName) not found", at: program,
                fix: "install it beside the agent")
        }
        return program
    }

    /// The reference guest and its version.
    public func version(for definition: VMDefinition) throws(LivemigError) -> String {
        guard unsafe access(program, X_OK) == 0 else {
            throw LivemigError(.qemu, "the reference guest is not installed", at: program)
        }
        return "reference guest 1"
    }

    /// Starts a guest and waits until it answers.
    ///
    /// - Throws: `E-QEMU` with its last words when it does not start; `E-RANGE` or `E-SIZE` for a
    ///   command line that says nothing sensible.
    public func launch(
        _ definition: VMDefinition, memory: borrowing GuestMemoryFile, folder: MachineFolder,
        mode: LaunchMode, connect: () throws(LivemigError) -> Void
    ) throws(LivemigError) -> any VirtualMachine {
        let machine = try start(definition, memory: memory, folder: folder, mode: mode)
        do throws(LivemigError) {
            try connect()
        } catch {
            machine.destroy()
            throw error
        }
        return machine
    }

    /// As `launch`, for callers that need what only reference guests have.
    public func start(
        _ definition: VMDefinition, memory: borrowing GuestMemoryFile, folder: MachineFolder,
        mode: LaunchMode
    ) throws(LivemigError) -> SyntheticMachine {
        guard definition.memory == memory.size else {
            throw LivemigError(
                .memory, "guest RAM is \(memory.size), the definition says \(definition.memory)")
        }
        let workload = definition.boot.commandLine ?? ""
        let parameters = try WorkloadParameters(parsing: workload, memory: memory.size)
        let pipe = try OwnedDescriptor.pipe()
        try folder.makeSocketFolder(for: nil)
        let log = try OwnedDescriptor.open(
            folder.hypervisorLog, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND)
        var options = GuestProgram.Options()
        options.memory = Self.memoryNumber
        options.ready = Self.readyNumber
        options.controlSocket = folder.monitorSocket
        options.consoleSocket = definition.serialPorts > 0 ? folder.consoleSocket : ""
        options.consoleLog = folder.consoleLog
        options.vcpus = definition.vcpus
        options.mode = mode
        options.workload = workload
        let process = try folder.startHypervisor(
            ChildProcess.Command(
                program, options.arguments,
                environment: PreloadLibrary.environment(
                    library: library, socket: folder.memorySocket, memory: Self.memoryNumber),
                descriptors: [
                    1: log.number, 2: log.number, Self.memoryNumber: memory.descriptor.number,
                    Self.readyNumber: pipe.second.number,
                ]), as: .qemu)
        do {
            try Self.waitUntilReady(
                process, pipe.first.number, Self.patience(for: parameters, mode))
            let client = try ControlClient(folder.monitorSocket)
            return SyntheticMachine(process, client, folder: folder)
        } catch {
            process.kill()
            throw LivemigError(
                .qemu,
                "the reference guest did not start: \(error.what), last words "
                    + Self.lastWords(in: folder), at: folder.hypervisorLog)
        }
    }

    /// Takes over a guest whose guardian has died; it gives up saving its state when its client
    /// goes.
    ///
    /// - Throws: `E-QEMU` when it does not answer.
    public func attach(
        _ definition: VMDefinition, to process: HypervisorProcess, folder: MachineFolder
    ) throws(LivemigError) -> any VirtualMachine {
        let client = try ControlClient(folder.monitorSocket)
        guard client.isPeer(process) else {
            throw LivemigError(
                .qemu, "the control socket is not that of process \(process.id)",
                at: folder.monitorSocket)
        }
        let machine = SyntheticMachine(process, client, folder: folder)
        _ = try machine.status()
        return machine
    }

    /// Ten seconds, and as long as filling memory may take at 20 MiB/s.
    private static func patience(for parameters: WorkloadParameters, _ mode: LaunchMode) -> Duration
    {
        .seconds(10 + (mode == .powerOn ? parameters.fillPages / 5120 : 0))
    }

    private static func waitUntilReady(
        _ process: HypervisorProcess, _ pipe: CInt, _ patience: Duration
    ) throws(LivemigError) {
        let ready = try Poll.wait([.init(pipe), .init(process.handle)], timeout: patience)
        guard !ready.isEmpty else {
            throw LivemigError(.qemu, "no answer within \(patience.brief)")
        }
        guard ready.contains(pipe) else { throw LivemigError(.qemu, "it ended at once") }
    }

    /// The last line of the hypervisor's log that says something, escaped; empty without one.
    static func lastWords(in folder: MachineFolder) -> String {
        guard let log = try? OwnedDescriptor.open(folder.hypervisorLog, O_RDONLY) else { return "" }
        let end = lseek(log.number, 0, SEEK_END)
        guard end > 0, lseek(log.number, max(0, end - 4096), SEEK_SET) >= 0 else { return "" }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            (try? unsafe DescriptorIO.readFully(into: buffer, from: log.number)) ?? 0
        }
        let lines = bytes.prefix(count).split(separator: 10)
        guard let last = lines.last(where: { !$0.allSatisfy { $0 == 32 || $0 == 13 } }) else {
            return ""
        }
        return String(decoding: last, as: UTF8.self).escaped()
    }
}
