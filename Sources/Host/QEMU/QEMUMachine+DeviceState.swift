import Glibc
import Hypervisor
public import LinuxSystem
public import MigrationModel

extension QEMUMachine {
    /// The name of the stream's descriptor inside QEMU.
    private static let streamName = "livemig-state"
    /// How long a cancelled save may take to end.
    private static let cancelTimeout = Duration.seconds(5)
    /// The longest time between two looks, should an event be missed.
    private static let lookInterval = Duration.milliseconds(20)

    /// Writes the state of devices and vCPUs of a stopped guest, without its RAM.
    ///
    /// QEMU's return path stays off: the agents ask the destination's QEMU themselves whether it
    /// has loaded the state (`completed` and `paused` there), and the source resumes or dies only
    /// on the ownership protocol's word. After it, QEMU wants a `resume` before the next save.
    ///
    /// - Throws: `E-BLACKOUT` when the deadline passes, `E-QEMU-CAP` when QEMU cannot leave RAM
    ///   out of its stream, `E-DEVICE-STATE` with QEMU's reason. The guest stays stopped and can be
    ///   resumed.
    public func saveDeviceState(
        to descriptor: consuming OwnedDescriptor, deadline: MonotonicTime
    ) throws(LivemigError) {
        try requireCapabilities()
        guard MachineStatus(runState: try runState()) == .paused else {
            throw LivemigError(.vmState, "the guest is not stopped, its state cannot be saved")
        }
        do {
            try monitor.execute(
                GetDescriptor(fdname: Self.streamName), passing: descriptor.number,
                timeout: Self.timeout(until: deadline))
            _ = monitor.takeMigrationEvents()
            try monitor.execute(
                MigrateCommand(uri: "fd:" + Self.streamName),
                timeout: Self.timeout(until: deadline))
            try awaitCompletion(until: deadline)
        } catch {
            // QEMU writes the last of the state with its big lock held: with a reader that does not
            // read it answers nothing until the stream is gone (shutdown(2) on the shared socket).
            _ = shutdown(descriptor.number, CInt(SHUT_RDWR))
            try? Self.cancelSaving(on: monitor)
            throw Self.savingError(explain(error), deadline)
        }
    }

    /// Loads the state of devices and vCPUs into a machine that was launched as incoming.
    ///
    /// Returns when QEMU has taken the whole state and is paused; disks' locks are taken at
    /// `resume`. A machine that threw is of no more use than to be destroyed.
    /// - Throws: `E-DSTQEMU` with QEMU's last words when it refuses, `E-QEMU-CAP` when it cannot
    ///   leave RAM out, `E-BLACKOUT` when the deadline passes, `E-NET` when the guest has lost its
    ///   bridge since the machine was launched.
    public func loadDeviceState(
        from descriptor: consuming OwnedDescriptor, deadline: MonotonicTime
    ) throws(LivemigError) {
        try requireCapabilities()
        for port in ports { try port.requireAttached() }
        do {
            try monitor.execute(
                GetDescriptor(fdname: Self.streamName), passing: descriptor.number,
                timeout: Self.timeout(until: deadline))
            _ = monitor.takeMigrationEvents()
            try monitor.execute(
                MigrateIncoming(uri: "fd:" + Self.streamName),
                timeout: Self.timeout(until: deadline))
            try awaitCompletion(until: deadline)
            try awaitLoaded(until: deadline)
        } catch {
            throw loadingError(error, deadline)
        }
    }

    /// Insists on what a move needs of QEMU.
    /// - Throws: `E-QEMU-CAP` naming the capability that is missing.
    public func requireCapabilities() throws(LivemigError) {
        guard !capabilities.contains(.ignoreShared) else { return }
        throw LivemigError(
            .qemuCapability,
            "\(version) has no capability \(MigrationCapability.ignoreShared.rawValue)",
            fix: "install a QEMU that offers it (4.0 to 10.2 do)")
    }

    /// Waits until migration is `completed`.
    private func awaitCompletion(until deadline: MonotonicTime) throws(QMPError) {
        while true {
            let progress = try monitor.execute(
                QueryMigrate(), timeout: Self.timeout(until: deadline))
            switch progress.status {
            case "completed": return
            case "failed", "cancelled":
                let reason = progress.errorDescription ?? progress.status ?? ""
                throw .refused(
                    command: MigrateCommand.name,
                    QMPRefusal(class: "GenericError", desc: reason))
            default: break
            }
            guard deadline > .now else {
                throw .silent(command: MigrateCommand.name, after: .zero)
            }
            try monitor.awaitMigrationEvent(until: min(deadline, .now + Self.lookInterval))
            _ = monitor.takeMigrationEvents()
        }
    }

    /// Waits until a machine with its state loaded is paused.
    private func awaitLoaded(until deadline: MonotonicTime) throws(QMPError) {
        while true {
            let state = try monitor.execute(QueryStatus()).status
            switch MachineStatus(runState: state) {
            case .paused: return
            case .incoming: break
            case .running, .shutdown, .ioError, .failed:
                throw .refused(
                    command: MigrateIncoming.name,
                    QMPRefusal(class: "GenericError", desc: "the guest came as \(state)"))
            }
            guard deadline > .now else {
                throw .silent(command: MigrateIncoming.name, after: .zero)
            }
            try monitor.awaitMigrationEvent(until: min(deadline, .now + .milliseconds(2)))
            _ = monitor.takeMigrationEvents()
        }
    }

    /// Takes a save back that has begun, and waits for its end, so that another can begin.
    ///
    /// Does nothing where no save is under way.
    /// - Throws: what QEMU says or does not say; a save that does not end in 5 s.
    static func cancelSaving(on monitor: QMPConnection) throws(QMPError) {
        let deadline = MonotonicTime.now + Self.cancelTimeout
        // Both are refused where there is nothing to close or to cancel.
        _ = try? monitor.execute(
            CloseDescriptor(fdname: Self.streamName), timeout: Self.timeout(until: deadline))
        _ = try? monitor.execute(CancelMigration(), timeout: Self.timeout(until: deadline))
        while true {
            switch try monitor.execute(QueryMigrate()).status {
            case nil, "none", "completed", "failed", "cancelled": return
            default: break
            }
            guard deadline > .now else {
                throw .silent(command: CancelMigration.name, after: Self.cancelTimeout)
            }
            try monitor.awaitMigrationEvent(until: .now + Self.lookInterval)
            _ = monitor.takeMigrationEvents()
        }
    }

    /// The time a command may take: its own limit, but not past the deadline.
    private static func timeout(until deadline: MonotonicTime) -> Duration {
        max(.milliseconds(1), min(QMPConnection.replyTimeout, deadline - .now))
    }

    private static func savingError(
        _ error: LivemigError, _ deadline: MonotonicTime
    ) -> LivemigError {
        guard error.code == .qmp else { return error }
        if deadline <= .now {
            return LivemigError(.blackout, "device state not saved before the deadline")
        }
        return LivemigError(.deviceState, error.what, at: error.place)
    }

    private func loadingError(_ error: QMPError, _ deadline: MonotonicTime) -> LivemigError {
        if case .closed = error, hypervisor.awaitEnd(.seconds(2)) != nil {
            return LivemigError(.destinationQEMU, hypervisor.obituary ?? "QEMU has ended")
        }
        if case .silent = error, deadline <= .now {
            return LivemigError(.blackout, "device state not loaded before the deadline")
        }
        let reason = error.livemigError
        guard reason.code == .qmp else { return reason }
        let words = lastWords.isEmpty ? "" : ", saying \(lastWords)"
        return LivemigError(.destinationQEMU, reason.what + words)
    }
}
