import Glibc
import GuestMemory
public import Hypervisor
import Journal
public import LinuxSystem
import Logging
public import MigrationModel
import Ownership
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
        /// Starts from power-on, or receives a guest.
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
    }

    let assignment: Assignment
    let log: Logger
    var journal: Journal
    var source: SourceMachine?
    var destination: DestinationMachine?
    var machine: (any VirtualMachine)?
    var memory: GuestMemoryFile
    var clients: [GuardianConnection] = []
    var deadline: MonotonicTime?
    var worker: CInt?
    var isFinished = false
    /// Whether the guest is this host's and stands still only because a disk is held elsewhere.
    var isResumeOwed = false

    private let listener: OwnedDescriptor

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
        // Before anything of the folder is touched: its sockets are the orphan's.
        if let orphan = OrphanedHypervisor(of: assignment.folder) { throw orphan.refusal }
        journal = try Journal(
            openingOrCreating: assignment.folder.record, uuid: assignment.definition.uuid)
        memory = try GuestMemoryFile.create(size: assignment.definition.memory)
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
            try? GuardianChannel.send(FailureMessage(error), to: starter)
            giveUpIncoming()
            machine?.destroy()
            removeSockets()
            removeFilesOfDepartedGuest()
            throw error
        }
        while !isFinished {
            do throws(LivemigError) {
                try turn()
            } catch {
                log.error("\(error)")
            }
        }
        machine?.destroy()
        removeSockets()
        removeFilesOfDepartedGuest()
    }

    private func start(reportingTo starter: CInt) throws(LivemigError) {
        switch assignment.role {
        case .powerOn:
            guard journal.record.right.mayRun else {
                throw LivemigError(
                    .vmState, "this host has no right to run the VM",
                    at: "record says \(journal.record.right.word)",
                    fix: "livemig status \(assignment.definition.name) says where it is")
            }
            if case .intent = journal.record.right {
                try journal.write(.owner(journal.record.right.epoch, nil))
            }
            source = SourceMachine(right: journal.record.right, guest: .running)
        case .incoming(let attempt, let peer):
            var destination = DestinationMachine(right: journal.record.right)
            for case .record(let right) in try destination.handle(.arm(attempt)) {
                try journal.write(right, peer: peer)
            }
            self.destination = destination
            worker = starter
            try GuardianChannel.send(state(), with: [memory.descriptor.number], to: starter)
        }
        let mode: LaunchMode = source == nil ? .incoming : .powerOn
        do throws(LivemigError) {
            machine = try assignment.launcher.launch(
                assignment.definition, memory: memory, folder: assignment.folder, mode: mode)
        } catch {
            if case .incoming(let attempt, _) = assignment.role {
                try handleDestination(.discard(attempt))
            }
            throw error
        }
        log.info("started", metadata: ["mode": "\(mode)"])
        try GuardianChannel.send(state(), to: starter)
    }

    /// A copy that cannot be received after all, such as when the agent has gone while the
    /// hypervisor started, must not stay in the record.
    private func giveUpIncoming() {
        guard case .armed(let attempt) = destination?.right else { return }
        do throws(LivemigError) {
            try handleDestination(.discard(attempt))
        } catch {
            log.error("after a start that failed: \(error)")
        }
    }

    /// One turn of the loop: waits for something to happen and deals with it.
    private func turn() throws(LivemigError) {
        guard let machine else { return isFinished = true }
        let interests =
            [Poll.Interest(listener.number), Poll.Interest(machine.processHandle)]
            + clients.map { Poll.Interest($0.number) }
        let timeout =
            isResumeOwed ? Self.resumeInterval : deadline.map { max(.zero, $0 - .now) }
        let ready = try Poll.wait(interests, timeout: timeout)
        if let deadline, deadline <= .now {
            log.warning("blackout deadline passed")
            self.deadline = nil
            try abort(because: "the blackout deadline passed")
        }
        if ready.contains(machine.processHandle) { return machineEnded() }
        if isResumeOwed { try resumeOwnGuest() }
        for client in clients.map(\.number) where ready.contains(client) {
            serve(client)
        }
        if ready.contains(listener.number), clients.count < Self.clientLimit {
            clients.append(GuardianConnection(try UnixSocket.accept(listener)))
        }
    }

    /// How often a guest is tried to be resumed whose disk another process holds.
    private static let resumeInterval: Duration = .milliseconds(100)

    /// Lets the guest run that this host owns.
    ///
    /// A disk that another process holds puts it off: the loop tries again until the disk is free,
    /// so that the guest is not left paused with nobody to resume it.
    func resumeOwnGuest() throws(LivemigError) {
        do throws(LivemigError) {
            try machine?.resume()
            if isResumeOwed { log.info("resumed, the disk is free") }
            isResumeOwed = false
        } catch {
            let isRepeated = isResumeOwed && error.code == .lock
            isResumeOwed = error.code == .lock
            if !isRepeated { throw error }
        }
    }

    /// The most agents connected at once: a worker, and lists and status questions.
    private static let clientLimit = 64

    /// The hypervisor has ended by itself: the guest powered off, or it crashed.
    private func machineEnded() {
        log.warning("hypervisor ended", metadata: ["said": "\(machine?.lastWords ?? "")"])
        deadline = nil
        do throws(LivemigError) {
            if source == nil, let attempt = destination?.right.attempt {
                try handleDestination(.discard(attempt))
            }
            try abort(because: "the guest has ended")
        } catch {
            log.error("after the hypervisor's end: \(error)")
        }
        isFinished = true
    }

    /// Gives the guest back to this host, if it is still this host's.
    func abort(because reason: String) throws(LivemigError) {
        guard case .intent = source?.right else { return }
        log.info("aborting: \(reason)")
        try handleSource(.abort)
    }

    /// Removes a client; the end of the worker is an abort.
    func disconnect(_ client: CInt) {
        clients.removeAll { $0.number == client }
        guard worker == client else { return }
        worker = nil
        do throws(LivemigError) {
            try abort(because: "the worker has gone")
            if case .armed(let attempt) = destination?.right {
                try handleDestination(.discard(attempt))
            }
        } catch {
            log.error("after the worker's end: \(error)")
        }
    }

    func state() -> GuardianState {
        let status = machine.flatMap { machine -> MachineStatus? in try? machine.status() }
        let guest: GuestLocation.State =
            switch status {
            case .running: .running
            case .paused, .incoming: .paused
            case .shutdown, .failed, nil: .stopped
            }
        return GuardianState(
            guest: guest, isIncoming: source == nil,
            epoch: journal.record.right.epoch, right: journal.record.right.word,
            memory: memory.size)
    }

    /// A guest that has gone elsewhere, or never came, leaves nothing here but the record.
    private func removeFilesOfDepartedGuest() {
        switch journal.record.right {
        case .gone, .aborted: break
        default: return
        }
        let folder = assignment.folder
        for path in [folder.definition, folder.consoleLog, folder.hypervisorLog] {
            _ = unsafe unlink(path)
        }
    }

    private func removeSockets() {
        let folder = assignment.folder
        for path in [
            folder.guardianSocket, folder.monitorSocket, folder.memorySocket, folder.consoleSocket,
        ] {
            _ = unsafe unlink(path)
        }
    }
}

/// A connected agent.
final class GuardianConnection {
    private let socket: OwnedDescriptor

    init(_ socket: consuming OwnedDescriptor) { self.socket = socket }

    var number: CInt { socket.number }
}
