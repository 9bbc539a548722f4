import CrashPoints
import Glibc
import GuestMemory
import Handoff
public import Hypervisor
import Journal
public import LinuxSystem
import Logging
public import MigrationModel
import Ownership
import SavedGuests
import WireProtocol

/// The process that outlives everything else that is concerned with one VM.
///
/// It owns the connection to the hypervisor, the ownership record and the blackout deadline, and
/// parses nothing that comes from the network. Agents ask it for each step; when the worker of a
/// move goes away or the deadline passes before the commit, it gives the guest back to this host.
/// One thread, one loop.
public final class Guardian {
    /// What to guard.
    public struct Assignment: Sendable {
        /// The VM.
        public var definition: VMDefinition
        /// Its folder.
        public var folder: MachineFolder
        /// What starts it.
        public var launcher: any MachineLauncher
        /// Starts from power-on, receives a guest, or takes one over.
        public var role: Role

        /// States an assignment.
        public init(
            definition: VMDefinition, folder: MachineFolder, launcher: any MachineLauncher,
            role: Role
        ) {
            self.definition = definition
            self.folder = folder
            self.launcher = launcher
            self.role = role
        }
    }

    /// How the VM comes to this host.
    public enum Role: Hashable, Sendable {
        /// It is started here.
        case powerOn
        /// It is received from a peer.
        case incoming(Attempt, peer: String)
        /// It was saved here, and is restored.
        case restore
        /// It runs already, and its guardian has died. A guest that this host owns runs again
        /// unless it shall stay as it is found.
        case adopt(keepStill: Bool)
    }

    let assignment: Assignment
    let log: Logger
    var journal: Journal
    /// Decides what is done; agents are known by their connections.
    var core: GuardianCore<CInt>
    /// Whether there is no hypervisor to guard.
    var isOver = false
    var machine: (any VirtualMachine)?
    var memory: GuestMemoryFile
    var clients: [GuardianConnection] = []
    var deadline: MonotonicTime?
    /// Reads the guest's serial ports.
    let consoles: ConsoleHub
    /// The hypervisor that is to be taken over.
    let orphan: HypervisorProcess?

    /// What this guardian speaks.
    let protocolVersion: UInt16

    private var listener: OwnedDescriptor

    /// Takes an assignment over, up to the point where memory exists and the record is written.
    ///
    /// - Parameters:
    ///   - assignment: what to guard.
    ///   - starter: the connection to the agent that started this process; it becomes the first
    ///     client, and the worker when a guest is received.
    public init(_ assignment: Assignment, starter: consuming OwnedDescriptor) throws(LivemigError) {
        self.assignment = assignment
        var log = Logger(label: "guardian")
        log[metadataKey: "vm"] = "\(assignment.definition.name)"
        self.log = log
        if case .adopt = assignment.role { try Self.requireRecord(of: assignment) }
        journal = try Journal(
            openingOrCreating: assignment.folder.record, uuid: assignment.definition.uuid,
            on: assignment.medium, memories: assignment.folder.memories)
        core = GuardianCore(right: journal.record.right)
        // Before anything of the folder is touched: its sockets are the orphan's.
        orphan = try Self.orphan(of: assignment)
        memory = try Self.memory(of: assignment, journal.record.right)
        consoles = try ConsoleHub(
            assignment.folder, logs: Self.keepsConsole(of: assignment, orphan))
        protocolVersion = GuardianProtocol.spoken(by: assignment.folder)
        listener = try UnixSocket.listen(assignment.folder.guardianSocket, .packets)
        clients = [GuardianConnection(starter)]
    }

    /// Guards until the VM has gone from this host.
    public func run() throws(LivemigError) {
        let starter = clients[0].number
        do throws(LivemigError) {
            try start(reportingTo: starter)
        } catch {
            log.error("did not start: \(error)")
            giveUpIncoming()
            leave()
            try? GuardianChannel.send(FailureMessage(error), to: starter)
            throw error
        }
        while !core.isFinished, !isOver {
            do throws(LivemigError) {
                try turn()
                try remember()
            } catch {
                log.error("\(error)")
            }
        }
        leave()
    }

    /// Remembers the record outside of the VM's folder, where the guest does not stand still.
    func remember() throws(LivemigError) {
        if deadline == nil { try journal.remember() }
    }

    /// Removes what must not stay when the guardian ends, and lets go of the record, so that
    /// whoever hears of the end finds it free.
    private func leave() {
        machine?.destroy()
        consoles.end()
        if isHypervisorForeign {
            // It runs on, and whoever tries next needs its sockets.
            _ = unsafe unlink(assignment.folder.guardianSocket)
        } else {
            assignment.folder.removeSockets()
            savedFile.removeUnfinished()
            if core.isOverruled { assignment.folder.keepOverruledGuest() }
            if journal.record.right.isDeparted {
                assignment.folder.removeFilesOfDepartedGuest()
            }
        }
        try? journal.remember()
        journal.unlock()
    }

    private func start(reportingTo starter: CInt) throws(LivemigError) {
        let mode: LaunchMode
        switch assignment.role {
        case .powerOn:
            guard core.ownership.right.mayRun else { throw noRight }
            guard !savedFile.exists else {
                throw LivemigError(
                    .saved, "the VM is saved", at: assignment.folder.path,
                    fix: "livemig vm start restores it, with --discard-saved it boots afresh")
            }
            // Also a file that somebody has removed must be gone for good before the guest runs.
            try savedFile.discard()
            try decide(.powerOn)
            mode = .powerOn
        case .incoming(let attempt, let peer):
            try savedFile.discard()
            try decide(.arm(attempt, by: starter), peer: peer)
            try GuardianChannel.send(state(), with: [memory.descriptor.number], to: starter)
            mode = .incoming
        case .restore:
            try requireSavedGuest()
            try decide(.restoring(by: starter))
            try GuardianChannel.send(state(), with: [memory.descriptor.number], to: starter)
            mode = .incoming
        case .adopt(let keepStill):
            try adopt(keepStill: keepStill)
            // Whoever asked for it may have gone; the guest is guarded all the same.
            try? GuardianChannel.send(state(), to: starter)
            return
        }
        do throws(LivemigError) {
            CrashPoint.reach(.beforeLaunch)
            machine = try assignment.launcher.launch(
                assignment.definition, memory: memory, folder: assignment.folder, mode: mode,
                connect: connectConsoles)
            CrashPoint.reach(.afterLaunch)
        } catch {
            if mode == .incoming { try decide(.hypervisorEnded) }
            throw error
        }
        log.info("started", metadata: ["mode": "\(mode)"])
        try GuardianChannel.send(state(), to: starter)
    }

    var noRight: LivemigError {
        LivemigError(
            .vmState, "this host has no right to run the VM",
            at: "record says \(core.ownership.right.word)",
            fix: "livemig status \(assignment.definition.name) says where it is")
    }

    /// A copy that cannot be received after all, such as when the agent has gone while the
    /// hypervisor started, must not stay in the record.
    private func giveUpIncoming() {
        guard case .armed = core.ownership.right, let worker = core.work.client else { return }
        do throws(LivemigError) {
            try decide(.clientGone(worker))
        } catch {
            log.error("after a start that failed: \(error)")
        }
    }

    /// One turn of the loop: waits for something to happen and deals with it.
    private func turn() throws(LivemigError) {
        guard let machine else { return isOver = true }
        let interests =
            [Poll.Interest(listener.number), Poll.Interest(machine.processHandle)]
            + clients.map { Poll.Interest($0.number) }
        let timeout =
            core.isResumeOwed
            ? HandoffLimits.resumeInterval : deadline.map { max(.zero, $0 - .now) }
        let ready = try Poll.wait(
            interests, timeout: min(timeout ?? Self.socketInterval, Self.socketInterval))
        if let deadline, deadline <= .now {
            log.warning("blackout deadline passed")
            self.deadline = nil
            try decide(.deadlinePassed)
        }
        if ready.contains(machine.processHandle) { return machineEnded() }
        try decide(.retry)
        if ready.isEmpty { listenAgain() }
        for client in clients.map(\.number) where ready.contains(client) {
            serve(client)
        }
        if ready.contains(listener.number), clients.count < Self.clientLimit {
            if let client = try UnixSocket.accept(listener) {
                clients.append(GuardianConnection(client))
            }
        }
    }

    /// How often the guardian looks whether its socket is still there.
    private static let socketInterval: Duration = .seconds(5)

    /// Makes the socket again that somebody has removed, such as a cleaner of old files: without it
    /// nobody would reach the guest any more.
    private func listenAgain() {
        let path = assignment.folder.guardianSocket
        guard unsafe access(path, F_OK) != 0, errno == ENOENT else { return }
        do throws(LivemigError) {
            listener = try UnixSocket.listen(path, .packets)
            log.warning("listens again: somebody has removed the socket")
        } catch {
            log.debug("cannot listen again: \(error)")
        }
    }

    /// The most agents connected at once: a worker, and lists and status questions.
    private static let clientLimit = 64

    /// The hypervisor has ended by itself: the guest powered off, or it crashed.
    private func machineEnded() {
        log.warning("hypervisor ended", metadata: ["said": "\(machine?.lastWords ?? "")"])
        deadline = nil
        if machine?.wasKilledForMemory == true {
            log.error("killed for want of memory")
            // Whoever works with the guest cannot see that the end had this reason.
            if let client = core.work.client {
                try? GuardianChannel.send(FailureMessage(.killedForMemory), to: client)
            }
        }
        do throws(LivemigError) {
            try decide(.hypervisorEnded)
        } catch {
            log.error("after the hypervisor's end: \(error)")
        }
    }

    /// Removes a client; the end of the worker is an abort.
    func disconnect(_ client: CInt) {
        clients.removeAll { $0.number == client }
        guard core.work.client == client else { return }
        log.info("the worker has gone")
        do throws(LivemigError) {
            try decide(.clientGone(client))
        } catch {
            log.error("after the worker's end: \(error)")
        }
    }

    func state() -> GuardianState {
        let guest = guest
        return GuardianState(
            guest: guest, isIncoming: core.ownership.right.isIncoming, record: journal.record,
            memory: memory.size, populated: (try? memory.populated) ?? memory.size,
            complaint: complaint(of: guest))
    }

    /// Why the guest does not do what it should, and what to do.
    func complaint(of guest: GuestLocation.State) -> LivemigError? {
        let vm = assignment.definition.name
        switch guest {
        case .ioError:
            let trouble = machine?.trouble()
            let disk = trouble?.disk.flatMap { number in
                assignment.definition.disks.indices.contains(number)
                    ? assignment.definition.disks[number] : nil
            }
            let which = disk.map { " on disk \($0.target) (\($0.path.escaped()))" } ?? ""
            return LivemigError(
                .vmState,
                "the guest is paused by an I/O error\(which)"
                    + (trouble?.isFull == true ? ": no space left" : ""),
                fix: trouble?.isFull == true
                    ? "free space there; then livemig recover \(vm) lets the guest go on"
                    : "mend the disk; then livemig recover \(vm) lets the guest go on")
        case .failed:
            let word = machine?.trouble().word.escaped() ?? ""
            return LivemigError(
                .vmState, "the guest has failed, its hypervisor says \(word)",
                fix:
                    "see console.log there; livemig vm stop \(vm) and vm start \(vm) boot it afresh"
            )
        case .unknown:
            return LivemigError(
                .vmState, "the hypervisor does not say what the guest does",
                fix: "see hypervisor.log there; livemig vm stop \(vm) powers it off")
        case .running, .paused, .stopped, .saved, .inTransfer: return nil
        }
    }

    /// What the guest does; a hypervisor that does not say may well run it, and a guest that an
    /// error has stopped may go on.
    private var guest: GuestLocation.State {
        guard let machine else { return .stopped }
        switch try? machine.status() {
        case .running: return .running
        case .paused, .incoming: return .paused
        case .shutdown: return .stopped
        case .ioError: return .ioError
        case .failed: return .failed
        case nil: return .unknown
        }
    }
}

/// A connected agent.
final class GuardianConnection {
    private let socket: OwnedDescriptor

    init(_ socket: consuming OwnedDescriptor) { self.socket = socket }

    var number: CInt { socket.number }
}
