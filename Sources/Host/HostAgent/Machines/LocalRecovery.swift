import Glibc
import Guardian
import Hypervisor
import Journal
import LinuxSystem
public import MigrationModel
import SavedGuests
import WireProtocol

/// `livemig-agent recover`: what a host can decide alone about its VMs, without their peers.
///
/// Guests whose guardian died get a new one and run on, interrupted moves are given up, copies that
/// never became whole are removed. What only the peer can decide stays as it is, and nothing that
/// is off is started. It can be repeated.
public struct LocalRecovery {
    private let environment: AgentEnvironment

    /// Recovers on a host.
    public init(_ environment: AgentEnvironment) { self.environment = environment }

    /// What came of one VM.
    struct Outcome {
        let line: String
        var exit = ExitCode.success
    }

    /// Recovers the named VMs, or all.
    ///
    /// - Parameters:
    ///   - names: the VMs; none are all that have a definition here.
    ///   - print: takes one line for each VM.
    /// - Returns: 7 where a peer is needed, else the gravest of what happened, 0 when all is well.
    /// - Throws: `E-VMNAME` for what is no name, before anything is done.
    public func run(
        _ names: [String], print: (String) -> Void
    ) throws(LivemigError) -> ExitCode {
        var chosen: [VMName] = []
        for name in names { chosen.append(try VMName(name)) }
        var codes: [ExitCode] = []
        for name in try chosen.isEmpty ? defined() : chosen {
            let outcome: Outcome
            do throws(LivemigError) {
                outcome = try recover(name)
            } catch {
                outcome = Outcome(line: "\(error)", exit: error.code.exitCode)
            }
            print("\(name): \(outcome.line)")
            codes.append(outcome.exit)
        }
        return .worst(of: codes)
    }

    private func defined() throws(LivemigError) -> [VMName] {
        let root = environment.root
        return try FolderListing.names(in: root.machines).sorted()
            .compactMap { try? VMName($0) }
            .filter { unsafe access(root.machine($0).definition, F_OK) == 0 }
    }

    private func recover(_ name: VMName) throws(LivemigError) -> Outcome {
        do throws(LivemigError) {
            return try look(at: name)
        } catch  where error.code == .disconnected {
            // Its guardian was about to end; what it has left decides.
            return try look(at: name)
        }
    }

    private func look(at name: VMName) throws(LivemigError) -> Outcome {
        let folder = environment.root.machine(name)
        let before = try Journal.peek(folder.record)
        let isOrphan =
            (try? GuardianClient(connecting: folder.guardianSocket)) == nil
            && OrphanedHypervisor(of: folder) != nil
        if let guardian = try GuardianSearch(environment: environment).guardian(of: name) {
            return try describe(guardian, isNew: isOrphan)
        }
        guard isOrphan, before?.right.isLeftover ?? false else {
            return try rest(name, folder)
        }
        return Outcome(line: "the copy that never became whole is removed")
    }

    /// What a guardian has made of its guest.
    private func describe(
        _ guardian: borrowing GuardianClient, isNew: Bool
    ) throws(LivemigError) -> Outcome {
        var state = try guardian.request(
            GuardianDescribe(wantsMemory: false), for: GuardianState.self)
        if isNew, state.record.right.mayRun, state.guest != .running {
            // It says why the guest does not run.
            try guardian.perform(GuardianSettle())
            state = try guardian.request(
                GuardianDescribe(wantsMemory: false), for: GuardianState.self)
        }
        let (right, peer) = (state.record.right, state.record.peer)
        let taken = isNew ? "taken over by a new guardian, " : ""
        switch right {
        case .owner:
            return Outcome(
                line: "\(taken)\(state.guest.rawValue), epoch \(right.epoch)",
                exit: state.guest == .unknown ? .refused : .success)
        case .intent: return Outcome(line: "a move to \(peer) is under way, left alone")
        case .armed: return Outcome(line: "is being received from \(peer), left alone")
        default: return taken.isEmpty ? undecided(state.record) : undecided(state.record, taken)
        }
    }

    /// What is left of a VM without a hypervisor.
    private func rest(_ name: VMName, _ folder: MachineFolder) throws(LivemigError) -> Outcome {
        let uuid = (try? MachineStore(root: environment.root).definition(of: name))?.uuid
        guard
            let record = try Journal.peek(
                folder.record, uuid: uuid, memories: environment.root.memories)
        else {
            throw LivemigError(.noVM, "no VM \(name) on this host", at: environment.root.path)
        }
        let recovery = HostRecovery(environment: environment)
        switch record.right {
        case .owner:
            let state = SavedFile(of: folder).exists ? "saved" : "off"
            return Outcome(line: "\(state), epoch \(record.right.epoch)")
        case .intent:
            try recovery.restOnRecord(folder, .settle)
            return Outcome(
                line: "the interrupted move to \(record.peer) is given up; off, "
                    + "epoch \(record.right.epoch)")
        case .armed(let attempt):
            try recovery.restOnRecord(folder, .discard(attempt))
            return Outcome(line: "the copy that never became whole is removed")
        case .released, .ready: return undecided(record)
        case .none, .gone, .aborted:
            if record.right.isDeparted { folder.removeFilesOfDepartedGuest() }
            return Outcome(line: "not on this host, record says \(record.right.word)")
        }
    }

    /// The right is on its way, and this host alone cannot know where it is.
    private func undecided(_ record: OwnershipRecord, _ taken: String = "") -> Outcome {
        let what =
            record.right.isCopyWaiting
            ? "a whole copy from \(record.peer) waits for the right to run"
            : "the right to run was given to \(record.peer) and is not known to have arrived"
        return Outcome(
            line: "\(taken)\(what) (\(record.right.word), epoch \(record.right.epoch)), "
                + "left alone; run livemig recover with both hosts reachable",
            exit: .inTransfer)
    }
}
