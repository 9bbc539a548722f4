import Glibc
import GuestFiles
public import GuestMemory
public import Hypervisor
import LinuxSystem
public import MigrationModel

/// Starts guests in the QEMU of this host.
public struct QEMULauncher: MachineLauncher {
    private let preloadLibrary: String
    private let probe: QEMUProbe
    private let files: QEMUProbe.FilesChoice
    private let user: UserChoice
    private let rules: RulesChoice

    /// Says whom the QEMU of a VM runs as, when it is started; `nil` for this process's own user.
    public typealias UserChoice =
        @Sendable (MachineFolder) throws(LivemigError) -> HypervisorUser?
    /// Says what the host allows, when a QEMU is started or looked at.
    public typealias RulesChoice = @Sendable () throws(LivemigError) -> LaunchRules

    /// How long QEMU may take to answer on its monitor.
    private static let startTimeout = Duration.seconds(15)
    /// The numbers in QEMU of the guest's memory file and of the folder of sockets; tap devices
    /// follow, then the files that the definition names.
    private static let memoryNumber: CInt = 3
    private static let socketsNumber: CInt = 4
    private static let firstTapNumber: CInt = 5
    private static let firstFileNumber = firstTapNumber + CInt(QEMUArguments.interfaceLimit)

    /// Starts QEMU with the library that hands out write tracking.
    ///
    /// - Parameters:
    ///   - preloadLibrary: the file of `libguestmemory.so`.
    ///   - files: what is executed, and which files are handed to QEMU.
    ///   - user: whom QEMU runs as. Kernels, firmware and the library must be readable for that user.
    ///   - rules: what the host allows.
    public init(
        preloadLibrary: String, files: @escaping QEMUProbe.FilesChoice,
        user: @escaping UserChoice = { (_) throws(LivemigError) in nil },
        rules: @escaping RulesChoice = { () throws(LivemigError) in LaunchRules() }
    ) {
        self.rules = rules
        self.preloadLibrary = preloadLibrary
        self.files = files
        self.user = user
        probe = QEMUProbe(files: files)
    }

    /// The program file of the QEMU that runs a definition.
    func program(of definition: VMDefinition) throws(LivemigError) -> String {
        try probe.program(for: definition)
    }

    /// What is known about the QEMU that runs a definition.
    func facts(of definition: VMDefinition) throws(LivemigError) -> QEMUProbe.Facts {
        try probe.facts(of: try probe.program(for: definition))
    }

    /// Whom the QEMU of a VM runs as.
    func hypervisorUser(_ folder: MachineFolder) throws(LivemigError) -> HypervisorUser? {
        try user(folder)
    }

    /// The release of the QEMU that runs a definition.
    public func version(for definition: VMDefinition) throws(LivemigError) -> String {
        try probe.version(of: try probe.program(for: definition)).description
    }

    /// The definition with its machine type by full name, so that another release of QEMU on the
    /// next host makes the same machine (docs/devel/migration/compatibility.rst).
    /// - Throws: `E-QEMU` without a QEMU, `E-MACHINE` when it lacks the type.
    public func pinned(_ definition: VMDefinition) throws(LivemigError) -> VMDefinition {
        let facts = try probe.facts(of: try probe.program(for: definition))
        try facts.machines.require(definition.boot.machine, of: facts.version)
        var pinned = definition
        pinned.boot.machine =
            facts.machines.resolve(definition.boot.machine) ?? definition.boot.machine
        return pinned
    }

    /// Insists that the QEMU of this host can run a definition.
    /// - Throws: `E-QEMU` without a QEMU, KVM or a required system call filter, `E-NET` for an
    ///   interface that the host refuses, `E-MACHINE` when QEMU lacks the machine type.
    public func requireSupport(of definition: VMDefinition) throws(LivemigError) {
        let facts = try probe.facts(of: try probe.program(for: definition))
        try rules().admit(definition, by: facts)
        try probe.requireAccelerator(of: definition)
        try facts.machines.require(definition.boot.machine, of: facts.version)
    }

    /// Starts QEMU on guest RAM that the caller made.
    ///
    /// - Throws: `E-QEMU` with QEMU's last words, `E-PRELOAD` when QEMU runs without the library,
    ///   `E-MACHINE` for an unknown machine type, `E-NET` without a bridge, `E-QEMU-CAP` for an
    ///   incoming machine that cannot leave RAM out. Nothing is left behind then.
    public func launch(
        _ definition: VMDefinition, memory: borrowing GuestMemoryFile, folder: MachineFolder,
        mode: LaunchMode, connect connectPorts: () throws(LivemigError) -> Void
    ) throws(LivemigError) -> any VirtualMachine {
        guard definition.kind != .synthetic else {
            throw LivemigError(.qemu, "a synthetic guest does not run in QEMU")
        }
        guard memory.size == definition.memory else {
            throw LivemigError(
                .memory, "guest RAM of \(memory.size.bytes) bytes was prepared",
                at: "the definition says \(definition.memory.bytes)")
        }
        let facts = try probe.facts(of: try probe.program(for: definition))
        try rules().admit(definition, by: facts)
        try probe.requireAccelerator(of: definition)
        try facts.machines.require(definition.boot.machine, of: facts.version)
        let user = try user(folder)
        // It opens guest RAM by name, which nobody may any more once it has.
        if let user { try memory.give(to: user.id) }
        let (process, ports) = try start(
            definition, facts, memory.descriptor.number, folder, mode, user)
        do {
            let machine = try connect(process, folder)
            machine.ports = ports
            try requirePreload(process, folder)
            if user != nil { try memory.give(to: geteuid()) }
            if mode == .incoming { try machine.requireCapabilities() }
            try Self.require(mode, of: machine)
            try connectPorts()
            if mode == .powerOn { try Self.powerOn(machine) }
            return machine
        } catch {
            process.kill()
            throw error
        }
    }

    private func start(
        _ definition: VMDefinition, _ facts: QEMUProbe.Facts, _ memory: CInt,
        _ folder: MachineFolder, _ mode: LaunchMode, _ user: HypervisorUser?
    ) throws(LivemigError) -> (QEMUProcess, [GuestPort]) {
        let files = try files().opening(as: user).open(definition)
        defer { withExtendedLifetime(files) {} }
        let taps = try Self.openTaps(of: definition)
        defer { withExtendedLifetime(taps) {} }
        folder.removeHypervisorSockets()
        try folder.makeSocketFolder(for: user)
        let sockets = try OwnedDescriptor.open(folder.sockets, O_RDONLY | O_DIRECTORY, as: .qemu)
        var descriptors = [Self.memoryNumber: memory, Self.socketsNumber: sockets.number]
        var numbers: [Int: CInt] = [:]
        for (index, tap) in taps {
            let number = Self.firstTapNumber + CInt(index)
            descriptors[number] = tap.descriptor.number
            numbers[index] = number
        }
        let handed = FileNumbers(files, from: Self.firstFileNumber)
        descriptors.merge(handed.descriptors) { $1 }
        let preparation = QEMUArguments.Preparation(
            folder: folder, memory: Self.memoryNumber, sockets: Self.socketsNumber,
            taps: numbers, files: handed, sandbox: facts.sandbox,
            userNetworking: try rules().userNetworking, mode: mode)
        var environment = PreloadLibrary.environment(
            library: preloadLibrary, socket: preparation.path(of: folder.memorySocket),
            memory: Self.memoryNumber, isPrivate: user.map { $0.id != geteuid() } ?? false)
        environment["LC_ALL"] = "C"
        let process = try QEMUProcess(
            facts.program, named: handed.names,
            try QEMUArguments(definition, preparation).list(),
            environment: environment, descriptors: descriptors, as: user,
            devices: definition.kind == .kvm ? ["/dev/kvm"] : [], folder: folder)
        return (process, taps.values.map(\.port))
    }

    /// The tap devices of a definition, by the position of their interface.
    private static func openTaps(
        of definition: VMDefinition
    ) throws(LivemigError) -> [Int: TapDevice] {
        var taps: [Int: TapDevice] = [:]
        for (index, interface) in definition.interfaces.enumerated() {
            guard case .bridge(let bridge) = interface.attachment else { continue }
            taps[index] = try TapDevice(on: bridge, for: interface.mac)
        }
        return taps
    }

    /// Connects to the monitor as soon as QEMU listens there, unless it ends first.
    private func connect(
        _ process: QEMUProcess, _ folder: MachineFolder
    ) throws(LivemigError) -> QEMUMachine {
        let deadline = MonotonicTime.now + Self.startTimeout
        while true {
            if let obituary = process.obituary { throw LivemigError(.qemu, obituary) }
            do {
                let socket = try UnixSocket.connect(
                    folder.monitorSocket, .stream, within: .seconds(1))
                return try greet(process, socket, folder, deadline)
            } catch  where error.code == .io && deadline > .now {
                _ = process.awaitEnd(.milliseconds(2))
            } catch  where error.code == .io {
                throw LivemigError(
                    .qemu, "no monitor after \(Self.startTimeout.brief), \(process.lastWords)",
                    at: folder.monitorSocket)
            }
        }
    }

    private func greet(
        _ process: QEMUProcess, _ socket: consuming OwnedDescriptor, _ folder: MachineFolder,
        _ deadline: MonotonicTime
    ) throws(LivemigError) -> QEMUMachine {
        do {
            let monitor = try QMPConnection(socket, at: folder.monitorSocket, deadline: deadline)
            return try QEMUMachine(process, monitor)
        } catch {
            guard process.awaitEnd(.milliseconds(500)) != nil, let obituary = process.obituary
            else {
                let reason = error.livemigError
                throw LivemigError(reason.code == .qmp ? .qemu : reason.code, reason.what)
            }
            throw LivemigError(.qemu, obituary)
        }
    }

    /// Insists that the library is in: it listens before QEMU's own code runs.
    private func requirePreload(
        _ process: QEMUProcess, _ folder: MachineFolder
    ) throws(LivemigError) {
        guard unsafe access(folder.memorySocket, F_OK) != 0 else { return }
        throw LivemigError(
            .preload, "QEMU runs without \(PreloadLibrary.fileName): \(process.lastWords)",
            at: preloadLibrary.escaped(),
            fix: "install the library where this host's user can read it")
    }

    private static func require(
        _ mode: LaunchMode, of machine: QEMUMachine
    ) throws(LivemigError) {
        let status = try machine.status()
        switch (mode, status) {
        case (.incoming, .incoming), (.powerOn, .paused): return
        default:
            throw LivemigError(
                .qemu, "the guest is \(status.rawValue) after its start", at: machine.lastWords)
        }
    }

    /// Lets a guest boot; one that is off again at once has been started all the same.
    private static func powerOn(_ machine: QEMUMachine) throws(LivemigError) {
        do throws(LivemigError) {
            try machine.resume()
        } catch  where error.code == .guestDown {
            guard try machine.status() == .shutdown else { throw error }
        }
    }
}
