import FrameTransport
import Guardian
import Hypervisor
import LinuxSystem
import MigrationModel
import WireProtocol

/// Requests about VMs.
extension AgentServer {
    private var store: MachineStore { MachineStore(root: environment.root) }

    func listMachines(_ frame: Frame) throws(LivemigError) {
        try sink.send(MachineListMessage(try store.list()))
    }

    func showMachine(_ frame: Frame) throws(LivemigError) {
        try show(try frame.decode(ShowMachine.self).name)
    }

    func findClaims(_ frame: Frame) throws(LivemigError) {
        let subject = try frame.decode(FindClaims.self).subject
        try sink.send(ClaimsMessage(try store.claims(of: subject)))
    }

    func defineMachine(_ frame: Frame) throws(LivemigError) {
        let name = try store.define(try frame.decode()) { definition throws(LivemigError) in
            try MemoryAdmission.requirePossible(definition, in: environment.root)
            try environment.rehearse(definition)
        }
        try show(name)
    }

    func changeGuestPolicy(_ frame: Frame) throws(LivemigError) {
        let request: ChangeGuestPolicy = try frame.decode()
        try store.change(request)
        try show(request.name)
    }

    func removeMachine(_ frame: Frame) throws(LivemigError) {
        try store.remove(try frame.decode(RemoveMachine.self).name)
        try sink.send(DoneMessage())
    }

    func attachConsole(_ frame: Frame) throws(LivemigError) {
        let request: AttachConsole = try frame.decode()
        _ = try store.definition(of: request.name)
        console?.end()
        console = try ConsoleRelay(request, environment.root, to: sink)
    }

    func typeOnConsole(_ frame: Frame) throws(LivemigError) {
        try console?.type(try frame.decode(ConsoleInput.self).bytes.exposed)
    }

    // MARK: Records

    func showRecord(_ frame: Frame) throws(LivemigError) {
        try sink.send(try store.record(of: try frame.decode(ShowRecord.self).name))
    }

    func recoverMachine(_ frame: Frame) throws(LivemigError) {
        try HostRecovery(environment: environment).perform(try frame.decode())
        try sink.send(DoneMessage())
    }

    func cancelMachine(_ frame: Frame) throws(LivemigError) {
        let name = try frame.decode(CancelMachine.self).name
        try GuardianClient(connecting: environment.root.machine(name).guardianSocket)
            .perform(GuardianCancel())
        try sink.send(DoneMessage())
    }

    // MARK: Saved guests

    func saveMachine(_ frame: Frame) throws(LivemigError) {
        let name = try frame.decode(SaveMachine.self).name
        try keepOrRestore(name, "save") { (environment, sink, control) throws(LivemigError) in
            try GuestSaving(
                environment: environment, name: name, events: sink, control: control
            ).run()
        }
    }

    func discardSaved(_ frame: Frame) throws(LivemigError) {
        let name = try frame.decode(DiscardSaved.self).name
        try store.discardSaved(name)
        try show(name)
    }

    // MARK: Start and stop

    private func show(_ name: VMName) throws(LivemigError) {
        try sink.send(try MachineStore(root: environment.root).message(of: name))
    }

    func startMachine(_ frame: Frame) throws(LivemigError) {
        let request: StartMachine = try frame.decode()
        let name = request.name
        let store = MachineStore(root: environment.root)
        let found = try store.definition(of: name).uuid
        guard request.uuid == nil || request.uuid == found else {
            throw LivemigError(
                .duplicateVM, "VM \(name) is another one now: its UUID is \(found)",
                at: environment.root.path, fix: "look at it, then start it again")
        }
        if let state = store.guardianState(of: name) {
            if state.guest == .paused, case .owner = state.record.right {
                throw LivemigError(
                    .busy, "VM \(name) is paused", at: environment.root.path,
                    fix: "livemig recover \(name) lets it run")
            }
            throw LivemigError(.busy, "VM \(name) runs already", at: environment.root.path)
        }
        // A record that has come back from a backup starts nothing.
        _ = try store.summary(of: name)
        if try takeOver(name) { return try show(name) }
        try environment.root.admitGuests()
        // A copy that was to be removed has taken the definition with it.
        _ = try store.definition(of: name)
        guard try store.summary(of: name).state != .saved else { return try restore(name) }
        try store.rewrite(name) { definition throws(LivemigError) in
            definition = try environment.pinned(definition)
        }
        let turn = try MemoryAdmission.admitStart(
            of: try store.definition(of: name), in: environment.root)
        defer { turn.end() }
        let guardian = try GuardianStarter(environment: environment).start(name)
        _ = try guardian.receive().decode(GuardianState.self)
        turn.end()
        // Tracking is proved now, so that a move does not find out later that it cannot work.
        try PreloadProof.check(environment.root.machine(name), guardian)
        try show(name)
    }

    /// Whether the VM runs already, its guardian having died; it has a new one then.
    private func takeOver(_ name: VMName) throws(LivemigError) -> Bool {
        let search = GuardianSearch(environment: environment)
        guard let guardian = try search.guardian(of: name) else { return false }
        let state = try guardian.request(
            GuardianDescribe(wantsMemory: false), for: GuardianState.self)
        guard state.record.right.mayRun else {
            throw LivemigError(
                .vmState, "this host has no right to run the VM",
                at: "record says \(state.record.right.word)",
                fix: "livemig status \(name) says where it is")
        }
        return true
    }

    func stopMachine(_ frame: Frame) throws(LivemigError) {
        let name = try frame.decode(StopMachine.self).name
        let folder = environment.root.machine(name)
        _ = try MachineStore(root: environment.root).definition(of: name)
        let guardian: GuardianClient
        do throws(LivemigError) {
            guardian = try GuardianClient(connecting: folder.guardianSocket)
        } catch {
            // One of another build watches the guest, and is not to be passed over.
            guard error.code != .version else { throw error }
            guard let orphan = OrphanedHypervisor(of: folder) else { throw error }
            try orphan.end()
            return try show(name)
        }
        try guardian.perform(GuardianPowerOff())
        let ended = try Poll.wait([.init(guardian.descriptor)], timeout: .seconds(10))
        guard !ended.isEmpty else {
            throw LivemigError(.cleanup, "the guardian of VM \(name) does not end")
        }
        try show(name)
    }

    private func restore(_ name: VMName) throws(LivemigError) {
        try keepOrRestore(name, "restore") { (environment, sink, control) throws(LivemigError) in
            try GuestRestoring(
                environment: environment, name: name, events: sink, control: control
            ).run()
        }
    }

    /// Saves or restores a guest on a thread of its own, and shows the VM when that is done.
    private func keepOrRestore(
        _ name: VMName, _ thread: String,
        _ body:
            @escaping @Sendable (
                AgentEnvironment, FrameSink, MoveControl
            ) throws(LivemigError) -> Void
    ) throws(LivemigError) {
        if let storing, storing.thread.result == nil {
            throw LivemigError(.busy, "this connection saves or restores a VM already")
        }
        let (environment, sink, control) = (environment, sink, MoveControl())
        let thread = WorkerThread(thread) {
            do throws(LivemigError) {
                try body(environment, sink, control)
                try sink.send(try MachineStore(root: environment.root).message(of: name))
            } catch {
                sink.sendIfPossible(FailureMessage(error))
            }
        }
        storing = (control, thread)
    }
}
