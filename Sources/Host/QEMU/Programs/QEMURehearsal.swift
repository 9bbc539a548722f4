import Glibc
import GuestMemory
public import Hypervisor
import LinuxSystem
public import MigrationModel

extension QEMULauncher {
    /// Starts QEMU with a definition's machine, processors and memory, stopped and without devices,
    /// and lets it end at once.
    ///
    /// What QEMU would refuse when the VM is started is found out when it is defined: processors
    /// that the machine does not have room for, memory beyond its addresses, an unknown CPU model.
    /// Where hardware virtualisation cannot be used, the machine is tried without.
    ///
    /// - Parameters:
    ///   - definition: the VM, not yet kept here.
    ///   - folder: where it would be.
    /// - Throws: `E-QEMU` with QEMU's words, `E-MACHINE` for an unknown machine type.
    public func rehearse(
        _ definition: VMDefinition, in folder: MachineFolder
    ) throws(LivemigError) {
        let facts = try facts(of: definition)
        try facts.machines.require(definition.boot.machine, of: facts.version)
        var definition = definition
        if definition.kind == .kvm, unsafe access("/dev/kvm", R_OK | W_OK) != 0 {
            definition.kind = .qemu
            if definition.cpuModel == "host" { definition.cpuModel = nil }
        }
        let said = try QEMURehearsal(program: facts.program, user: try hypervisorUser(folder))
            .run(definition, sandbox: facts.sandbox)
        guard let said else { return }
        throw LivemigError(
            .qemu, "no QEMU of this host starts the VM: \(said.escaped())",
            at: "<vcpu>\(definition.vcpus)</vcpu>, <memory> of \(definition.memory), "
                + "<cpu> \(definition.cpuModel ?? "as the host's"), "
                + "machine \(definition.boot.machine.escaped())",
            fix: "change what it names in the definition")
    }
}

/// One short run of QEMU that ends before any instruction of a guest.
struct QEMURehearsal {
    let program: String
    let user: HypervisorUser?

    /// How long QEMU may take; one with hundreds of processors takes seconds.
    private static let patience = Duration.seconds(30)
    private static let memoryNumber: CInt = 3
    /// What QEMU is told on its monitor.
    private static let commands =
        #"{"execute":"qmp_capabilities"}{"execute":"quit"}"# + "\n"

    /// Runs a machine.
    /// - Returns: QEMU's last message when it refuses; `nil` when it has started.
    /// - Throws: `E-QEMU` when it does not end.
    func run(_ definition: VMDefinition, sandbox: Bool) throws(LivemigError) -> String? {
        let memory = try GuestMemoryFile.create(size: definition.memory)
        if let user { try memory.give(to: user.id) }
        let input = try OwnedDescriptor.pipe().release()
        let read = OwnedDescriptor(owning: input.first)
        let write = OwnedDescriptor(owning: input.second)
        try DescriptorIO.write(Array(Self.commands.utf8), to: write.number)
        let output = try GuestMemoryFile.create(size: Self.outputLimit)
        let preparation = QEMUArguments.Preparation(
            folder: MachineFolder(path: "/"), memory: Self.memoryNumber, sockets: Self.memoryNumber,
            sandbox: sandbox, mode: .powerOn)
        let arguments = QEMUArguments(definition, preparation).rehearsal
        var command = ChildProcess.Command(program, arguments, environment: ["LC_ALL": "C"])
        if let user {
            command = user.command(program, arguments, environment: ["LC_ALL": "C"])
        }
        command.descriptors = [
            0: read.number, 2: output.descriptor.number,
            Self.memoryNumber: memory.descriptor.number,
        ]
        let process = try ChildProcess(command, as: .qemu)
        let ended = try Poll.wait([.init(process.handle.number)], timeout: Self.patience)
        if ended.isEmpty { process.signal(SIGKILL) }
        let status = process.wait()
        guard !ended.isEmpty else {
            throw LivemigError(
                .qemu, "QEMU does not start within \(Self.patience.brief)", at: program)
        }
        return status == 0 ? nil : Self.message(in: output, status)
    }

    /// The most that is read of what QEMU prints.
    private static let outputLimit = ByteCount(64 << 10)

    /// The last line, without the program's name.
    private static func message(in output: borrowing GuestMemoryFile, _ status: Int32) -> String {
        let number = output.descriptor.number
        _ = lseek(number, 0, SEEK_SET)
        let bytes = (try? DescriptorIO.readFully(upTo: Int(outputLimit.bytes), from: number)) ?? []
        let text = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        guard let line = text.split(whereSeparator: \.isNewline).last else {
            return "it ended with status \(status)"
        }
        let parts = line.split(separator: ": ", maxSplits: 1)
        return String(parts.count == 2 && parts[0].contains("qemu") ? parts[1] : line)
    }
}
