public import Hypervisor
import LinuxSystem
public import MigrationModel

/// A guest in a QEMU process, driven over QEMU's monitor.
///
/// Made by `QEMULauncher`, used by one thread. Dropping it does not end QEMU: only `destroy` does.
public final class QEMUMachine: VirtualMachine {
    let hypervisor: QEMUProcess
    let monitor: QMPConnection
    /// What QEMU offers of the capabilities that are used; all of them are switched on.
    let capabilities: Set<MigrationCapability>
    /// Where its interfaces are attached; none for a QEMU that was found running.
    var ports: [GuestPort] = []

    /// How long a loaded guest may take to start: taking disks over may read their tables.
    private static let resumeTimeout = Duration.seconds(10)

    /// Takes over a QEMU that has just started, and prepares it for moves.
    ///
    /// Everything that can be set before the guest is stopped is set here, so that nothing of it
    /// falls into a blackout.
    init(_ process: QEMUProcess, _ monitor: QMPConnection) throws(QMPError) {
        hypervisor = process
        self.monitor = monitor
        let offered = try monitor.execute(QueryMigrateCapabilities())
        capabilities = Set(offered.compactMap { MigrationCapability(rawValue: $0.capability) })
        let enabled = MigrationCapability.allCases.filter(capabilities.contains)
        try monitor.execute(SetMigrateCapabilities(enabling: enabled))
        // No limit worth the name: 1 TiB/s.
        try monitor.execute(SetMigrateParameters(maxBandwidth: 1 << 40))
    }

    /// Whether the kernel has killed QEMU for want of memory.
    public var wasKilledForMemory: Bool { hypervisor.wasKilledForMemory }

    /// QEMU's release, as it said itself.
    public var version: QEMUVersion { monitor.version }

    /// QEMU's process id.
    public var process: Int32 { hypervisor.id }

    /// Polls readable once QEMU has ended.
    public var processHandle: CInt { hypervisor.handle }

    /// The last message that QEMU printed, escaped.
    public var lastWords: String { hypervisor.lastWords }

    /// What the guest does now; a QEMU that ended with status 0 is a guest that powered itself off,
    /// as far as this process is its parent and learns the status.
    /// - Throws: `E-QMP` when QEMU does not answer.
    public func status() throws(LivemigError) -> MachineStatus {
        if let ending = hypervisor.ending() {
            return ending == .status(0) ? .shutdown : .failed
        }
        return MachineStatus(runState: try runState())
    }

    /// QEMU's own reasons why the guest cannot be moved now, such as a device without a state format.
    /// - Throws: `E-QMP` when QEMU does not answer.
    public func blockers() throws(LivemigError) -> [String] {
        do {
            return try monitor.execute(QueryMigrate()).blockedReasons ?? []
        } catch {
            throw error.livemigError
        }
    }

    /// Stops the vCPUs; QEMU has also waited for its block I/O when this returns.
    ///
    /// A `stop` that QEMU does not answer in time is followed by a `cont`, which QEMU carries out
    /// after it, so that a slow stop does not leave a guest paused that nobody resumes.
    /// - Throws: `E-GUESTDOWN` when the guest has powered itself off or failed.
    public func stop() throws(LivemigError) {
        do {
            try monitor.execute(StopCommand())
        } catch {
            if case .silent = error { try? monitor.post(ContinueCommand()) }
            throw explain(error)
        }
        let state = try runState()
        switch MachineStatus(runState: state) {
        case .paused: return
        case .incoming:
            throw LivemigError(.vmState, "the guest has no device state yet, it cannot be stopped")
        case .shutdown:
            throw LivemigError(.guestDown, "the guest has powered itself off")
        case .ioError: throw Self.ioError
        case .failed:
            throw LivemigError(.guestDown, "the guest has failed: QEMU says \(state.escaped())")
        case .running:
            throw LivemigError(.qmp, "the guest still runs after stop")
        }
    }

    /// Lets the vCPUs run and makes sure that they do.
    ///
    /// - Throws: `E-LOCK` with QEMU's words when a disk's lock is held elsewhere, `E-VMSTATE` for a
    ///   machine whose device state has not been loaded; nothing has run then.
    public func resume() throws(LivemigError) {
        // QEMU accepts `cont` on an incoming machine, and would start the guest by itself later.
        if MachineStatus(runState: try runState()) == .incoming {
            throw LivemigError(.vmState, "the guest has no device state yet, it cannot be resumed")
        }
        do {
            try monitor.execute(ContinueCommand(), timeout: Self.resumeTimeout)
        } catch {
            if case .refused(_, let refusal) = error, refusal.isLock {
                throw LivemigError(
                    .lock, refusal.desc.escaped(),
                    fix: "another process uses this disk; the guest was not started here")
            }
            throw explain(error)
        }
        let state = try runState()
        switch MachineStatus(runState: state) {
        case .running: return
        case .shutdown: throw LivemigError(.guestDown, "the guest has powered itself off")
        // It went on until it met the error again.
        case .ioError: throw Self.ioError
        case .failed:
            throw LivemigError(.guestDown, "the guest has failed: QEMU says \(state.escaped())")
        case .paused, .incoming:
            throw LivemigError(.qmp, "the guest does not run after cont: \(state.escaped())")
        }
    }

    private static var ioError: LivemigError {
        LivemigError(
            .vmState, "an I/O error of a disk has paused the guest",
            fix:
                "mend the disk, such as by freeing space, then livemig recover lets the guest go on"
        )
    }

    /// The first disk with an error, and the run state (qapi/block-core.json, `io-status`).
    public func trouble() -> MachineTrouble {
        var trouble = MachineTrouble(word: (try? runState()) ?? "")
        let blocks = (try? monitor.execute(QueryBlock())) ?? []
        for block in blocks {
            guard let status = block.ioStatus, status != "ok" else { continue }
            let number = block.qdev?.split(separator: "/").lazy
                .compactMap { $0.hasPrefix("virtio-disk") ? Int($0.dropFirst(11)) : nil }.first
            guard trouble.disk == nil else { continue }
            trouble.disk = number
            trouble.isFull = status == "nospace"
        }
        return trouble
    }

    /// Sends QEMU's announcements on every interface: 5 rounds, 50 to 550 ms apart.
    public func announce() {
        _ = try? monitor.execute(AnnounceSelf.standard)
    }

    /// Ends QEMU at once, reaps it and removes its sockets.
    public func destroy() { hypervisor.kill() }

    /// The run state in QEMU's own word.
    func runState() throws(LivemigError) -> String {
        do {
            return try monitor.execute(QueryStatus()).status
        } catch {
            throw explain(error)
        }
    }

    /// An error of the monitor with what is known about the process behind it.
    func explain(_ error: QMPError) -> LivemigError {
        guard case .closed = error, let ending = hypervisor.awaitEnd(.seconds(2)) else {
            return error.livemigError
        }
        if ending == .status(0) {
            return LivemigError(.guestDown, "the guest has powered itself off")
        }
        guard !hypervisor.wasKilledForMemory else { return .killedForMemory }
        return LivemigError(.qmp, hypervisor.obituary ?? "QEMU has ended")
    }
}

extension MachineStatus {
    /// What a run state of QEMU means (qapi/run-state.json, `RunState`).
    init(runState: String) {
        self =
            switch runState {
            case "running": .running
            case "inmigrate": .incoming
            case "shutdown": .shutdown
            case "paused", "prelaunch", "postmigrate", "finish-migrate", "restore-vm", "save-vm",
                "suspended", "debug", "colo":
                .paused
            case "io-error": .ioError
            default: .failed
            }
    }
}

extension QMPRefusal {
    /// Whether a disk's lock is held elsewhere (block/file-posix.c, `Failed to get "write" lock`).
    var isLock: Bool { desc.contains("Failed to get") && desc.contains("lock") }
}
