import CrashPoints
import FrameTransport
import Glibc
import Guardian
import HostPolicies
import Hypervisor
import LinuxSystem
public import MigrationModel
import SSHTransport
import VMDefinitions
import WireProtocol
import XMLDocuments

/// `livemig-agent serve`: answers one controller at standard input and output, request by request.
///
/// A move runs on a thread of its own while this thread listens for a cancellation; the end of the
/// input cancels a move that is not yet committed.
public final class AgentServer {
    private let environment: AgentEnvironment
    private let sink: FrameSink
    private var channel: FrameChannel<DescriptorChannel>
    private var outgoing: (control: MoveControl, thread: WorkerThread<Void>)?
    private var incoming: (control: IncomingControl, thread: WorkerThread<Void>)?
    private var storing: (control: MoveControl, thread: WorkerThread<Void>)?
    private var console: ConsoleRelay?
    private var provisional = ProvisionalTrust()
    /// Hooks that run after a move whose result is known.
    private let afterwards = Monitor<[WorkerThread<Void>]>([])

    /// How long a move that has said its last word may take to end.
    private static let lastMoment = Duration.seconds(1)

    /// Greets the controller at standard input and output.
    public init(_ environment: AgentEnvironment) throws(LivemigError) {
        self.environment = environment
        let connection = LaneConnection(
            input: try DescriptorNumber.duplicate(STDIN_FILENO),
            output: try DescriptorNumber.duplicate(STDOUT_FILENO))
        var writing = FrameChannel(
            try connection.channel(at: "controller"), at: "controller")
        try writing.sendBanner(.agent)
        sink = FrameSink(writing)
        channel = FrameChannel(try connection.channel(at: "controller"), at: "controller")
    }

    /// Serves until the controller ends the connection.
    public func run() throws(LivemigError) {
        defer { finish() }
        _ = try channel.receiveBanner()
        while let frame = try channel.receive() {
            do throws(LivemigError) {
                try answer(frame)
            } catch {
                try sink.send(FailureMessage(error))
            }
        }
    }

    private func finish() {
        try? provisional.undo()
        console?.end()
        outgoing?.control.cancel(
            LivemigError(.cancelled, "the controller has gone"))
        incoming?.control.giveUp()
        storing?.control.cancel(LivemigError(.cancelled, "the controller has gone"))
        _ = try? storing?.thread.join()
        _ = try? outgoing?.thread.join()
        _ = try? incoming?.thread.join()
        for thread in afterwards.withLock({ $0 }) { _ = try? thread.join() }
    }

    private func answer(_ frame: Frame) throws(LivemigError) {
        let store = MachineStore(root: environment.root)
        switch frame.type {
        case .describeHost:
            try sink.send(
                HostFactsMessage(HostFactsProbe(environment: environment).facts()))
        case .listMachines: try sink.send(MachineListMessage(try store.list()))
        case .defineMachine:
            let name = try store.define(try frame.decode()) { definition throws(LivemigError) in
                try MemoryAdmission.requirePossible(definition, in: environment.root)
                try environment.rehearse(definition)
            }
            try show(name)
        case .findClaims:
            let subject = try frame.decode(FindClaims.self).subject
            try sink.send(ClaimsMessage(try store.claims(of: subject)))
        case .startMachine: try start(try frame.decode())
        case .stopMachine: try stop(try frame.decode(StopMachine.self).name)
        case .removeMachine:
            try store.remove(try frame.decode(RemoveMachine.self).name)
            try sink.send(DoneMessage())
        case .saveMachine:
            let name = try frame.decode(SaveMachine.self).name
            try keepOrRestore(name, "save") { (environment, sink, control) throws(LivemigError) in
                try GuestSaving(
                    environment: environment, name: name, events: sink, control: control
                ).run()
            }
        case .discardSaved:
            let name = try frame.decode(DiscardSaved.self).name
            try store.discardSaved(name)
            try show(name)
        case .changeGuestPolicy:
            let request: ChangeGuestPolicy = try frame.decode()
            try store.change(request)
            try show(request.name)
        case .showMachine: try show(try frame.decode(ShowMachine.self).name)
        case .attachConsole:
            let request: AttachConsole = try frame.decode()
            _ = try store.definition(of: request.name)
            console?.end()
            console = try ConsoleRelay(request, environment.root, to: sink)
        case .consoleInput: try console?.type(try frame.decode(ConsoleInput.self).bytes.exposed)
        case .createKey:
            try sink.send(try PeerKeys(root: environment.root).message())
        case .authorizePeer, .withdrawPeer, .settlePeers, .tryPeer: try trust(frame)
        case .showRecord:
            try sink.send(try store.record(of: try frame.decode(ShowRecord.self).name))
        case .recoverMachine:
            try HostRecovery(environment: environment).perform(try frame.decode())
            try sink.send(DoneMessage())
        case .cancelMachine:
            let name = try frame.decode(CancelMachine.self).name
            try GuardianClient(connecting: environment.root.machine(name).guardianSocket)
                .perform(GuardianCancel())
            try sink.send(DoneMessage())
        case .showPolicy:
            let probe = HostSettingsProbe(root: environment.root)
            try sink.send(HostPolicyMessage(try probe.settings()))
        case .changePolicy:
            let probe = HostSettingsProbe(root: environment.root)
            try sink.send(HostPolicyMessage(try probe.change(try frame.decode())))
        case .inspectOutgoing:
            let inspection = OutgoingInspection(
                environment: environment, request: try frame.decode())
            try sink.send(try inspection.run())
        case .inspectIncoming:
            let inspection = IncomingInspection(
                environment: environment, request: try frame.decode())
            try sink.send(try inspection.run())
        case .probePath:
            let probe = PathProbe(root: environment.root, request: try frame.decode())
            try sink.send(Inspection(probe.findings()))
        case .measureGuest:
            let measuring = GuestMeasuring(
                environment: environment, request: try frame.decode())
            try sink.send(GuestMeasured(try measuring.run()))
        case .examineHost:
            try sink.send(Examination(try HostExamination(root: environment.root).items()))
        case .runDrainHook:
            let request: RunDrainHook = try frame.decode()
            let hook: HostHook = request.stage == .before ? .preDrain : .postDrain
            try HookProgram.find(hook, in: environment.root)?.run(HookEvent(request))
            try sink.send(DoneMessage())
        case .prepareIncoming: try receive(try frame.decode())
        case .startOutgoing: try move(try frame.decode())
        case .cancel:
            let reason = LivemigError(.cancelled, "cancelled by the operator")
            outgoing?.control.cancel(reason)
            storing?.control.cancel(reason)
        default: throw LivemigError(.wire, "\(WireError.type(frame.type.rawValue))")
        }
    }

    private func trust(_ frame: Frame) throws(LivemigError) {
        let keys = PeerKeys(root: environment.root)
        switch frame.type {
        case .authorizePeer:
            let request: AuthorizePeer = try frame.decode()
            let change = try keys.authorize(request)
            if request.isProvisional, let change { provisional.add(change.file, change.change) }
            try sink.send(DoneMessage())
        case .withdrawPeer:
            try sink.send(PeersWithdrawn(try keys.withdraw(try frame.decode())))
        case .settlePeers:
            try provisional.settle(keeping: try frame.decode(SettlePeers.self).isKept)
            try sink.send(DoneMessage())
        default:
            try sink.send(
                try PeerKnock(root: environment.root).knock(
                    at: try frame.decode(TryPeer.self).peer))
        }
    }

    // MARK: VMs

    private func show(_ name: VMName) throws(LivemigError) {
        try sink.send(try MachineStore(root: environment.root).message(of: name))
    }

    private func start(_ request: StartMachine) throws(LivemigError) {
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

    private func stop(_ name: VMName) throws(LivemigError) {
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

    // MARK: Moves

    /// Whether a move goes on; whoever has heard its last word may ask for the next one at once.
    private static func isUnderWay(_ move: WorkerThread<Void>?) -> Bool {
        guard let move else { return false }
        return move.result(by: .now + lastMoment) == nil
    }

    private func move(_ request: StartOutgoing) throws(LivemigError) {
        if Self.isUnderWay(outgoing?.thread) {
            throw LivemigError(.busy, "this connection moves a VM already")
        }
        let control = MoveControl()
        let hooks = MoveHooks(root: environment.root)
        let role = SourceRole(
            environment: environment, request: request, events: sink, control: control,
            hooks: hooks)
        let move = HookedMove(hooks: hooks, sink: sink, afterwards: afterwards)
        let thread = WorkerThread("move") {
            move.run { () throws(LivemigError) in
                move.sink.sendIfPossible(Moved(try role.run()))
                CrashPoint.reach(.sourceReported)
            }
        }
        outgoing = (control, thread)
    }

    private func receive(_ request: PrepareIncoming) throws(LivemigError) {
        if Self.isUnderWay(incoming?.thread) {
            throw LivemigError(.busy, "this connection receives a VM already")
        }
        let control = try IncomingControl()
        let hooks = MoveHooks(root: environment.root)
        let role = DestinationRole(
            environment: environment, request: request, events: sink, control: control,
            hooks: hooks)
        let move = HookedMove(hooks: hooks, sink: sink, afterwards: afterwards)
        let thread = WorkerThread("receive") {
            move.run { () throws(LivemigError) in
                try role.run()
                CrashPoint.reach(.destinationDone)
                move.sink.sendIfPossible(DoneMessage())
            }
        }
        incoming = (control, thread)
    }
}
