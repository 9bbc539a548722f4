import CrashPoints
import FrameTransport
import Guardian
import GuestMemory
import Handoff
import HostPolicies
import Hypervisor
import LinuxSystem
import MigrationEngine
import MigrationModel
import PageCodec
import VMDefinitions
import WireProtocol

/// One move, seen from the source: opens lanes, runs the rounds, switches over, hands over.
///
/// Whatever fails before the commit ends with the guest running here; after the commit nothing
/// brings it back but the destination's durable refusal. Runs on a thread of its own.
struct SourceRole: Sendable {
    let environment: AgentEnvironment
    let request: StartOutgoing
    let events: FrameSink
    let control: MoveControl
    let hooks: MoveHooks

    /// What a switchover costs besides the last pages and the round-trip, by experience.
    private static let handOverCost: Duration = .milliseconds(25)
    /// How long a guardian may take to end after its hypervisor.
    private static let endingPatience: Duration = .seconds(5)

    /// Moves the VM.
    /// - Returns: the report for the controller.
    /// - Throws: what went wrong, saying where the guest is.
    func run() throws(LivemigError) -> MigrationReport {
        CrashPoint.reach(.sourceAsked)
        let deadline = MonotonicTime.now + request.policy.timeout
        let folder = environment.root.machine(request.name)
        let definition = try MachineStore(root: environment.root).definition(of: request.name)
        let refusal = hookRefusal(definition)
        let guardian = try GuardianClient(connecting: folder.guardianSocket)
        try guardian.perform(
            GuardianBegin(
                attempt: request.attempt, peer: request.peer.name,
                keepPaused: request.policy.keepPaused))
        CrashPoint.reach(.sourceBegun)
        do throws(LivemigError) {
            // Thrown with the attempt begun, as the rules are.
            if let refusal { throw refusal }
            let slot = try checkRules(definition)
            defer { slot.end() }
            try requireSameDefinition()
            let memory = try GuestMemoryFile(
                adopting: try guardian.memory(), expecting: definition.memory)
            let turn = try TrackingTurn.waiting(for: folder)
            defer { turn.end() }
            let registration = try folder.startTracking(of: memory)
            let tracker = try DirtyTracker(registration, pageCount: memory.pageCount)
            CrashPoint.reach(.sourceTracking)
            let image = try SourceImage(memory, key: PageHashKey(secret: request.secret.exposed))
            let session = try SourceSession(
                self, definition, image, pageCount: memory.pageCount,
                guardian: guardian.descriptor)
            defer { session.close() }
            let isStrict = request.policy.onTimeout == .abort
            try session.board.waitUntilOpen(deadline: isStrict ? deadline : nil)
            CrashPoint.reach(.sourceLanesOpen)
            let preCopy = try PreCopy(board: session.board, tracker: tracker, memory: memory)
            CrashPoint.reach(.sourceFirstRound)
            do throws(LivemigError) {
                return try move(
                    preCopy, session, image, guardian, size: memory.size, deadline: deadline)
            } catch {
                // Lanes in the middle of a round do not go on to its end.
                session.board.fail(error)
                throw settle(error, guardian, session.link)
            }
        } catch {
            throw settle(error, guardian, nil)
        }
    }

    /// Runs the hook before anything is recorded, and says why it refuses the move.
    ///
    /// A move that will be refused anyway is none that a hook should prepare for.
    private func hookRefusal(_ definition: VMDefinition) -> LivemigError? {
        let root = environment.root
        guard (try? root.policy.load().admit(peer: request.peer.name, at: root.path)) != nil,
            case .owner? = MachineStore(root: root).guardianState(of: request.name)?.record.right
        else { return nil }
        do throws(LivemigError) {
            try hooks.before(
                definition, request.attempt, as: .source, peer: request.peer.name,
                while: { control.isWanted })
            return nil
        } catch {
            return error
        }
    }

    /// Notices that the guardian has let its worker go, which is how others cancel a move.
    func checkGuardian(_ connection: CInt) throws(LivemigError) {
        let hasEnded = try !Poll.wait([.init(connection, 0)], timeout: .zero).isEmpty
        guard hasEnded else { return }
        let folder = environment.root.machine(request.name)
        guard (try? GuardianClient(connecting: folder.guardianSocket)) != nil else {
            // A guardian ends once its hypervisor has; one that was killed leaves it behind.
            guard OrphanedHypervisor(of: folder) == nil else {
                throw LivemigError(.disconnected, "the VM's guardian has gone", at: folder.path)
            }
            throw LivemigError(
                .guestDown, "the guest has powered itself off, or its hypervisor has ended",
                at: folder.hypervisorLog,
                fix: "there is nothing to move; livemig vm start \(request.name) starts it again")
        }
        throw LivemigError(.cancelled, "cancelled by somebody else")
    }

    /// Why a move has failed: what is being asked of the guardian when it lets its worker go breaks
    /// before anybody notices why, and a hypervisor's memory is gone before its guardian has ended.
    private func reason(for failure: LivemigError, _ connection: CInt) -> LivemigError {
        do throws(LivemigError) {
            switch failure.code {
            case .disconnected: break
            case .guestDown:
                _ = try Poll.wait([.init(connection, 0)], timeout: Self.endingPatience)
            default: return failure
            }
            try checkGuardian(connection)
            return failure
        } catch {
            return error
        }
    }

    /// What this host can tell in advance, and its place among the moves under way.
    ///
    /// Asked with the attempt begun, so that a refusal uses up the epoch here as the destination,
    /// which is prepared already, does there: else the next attempt would come with an old one.
    private func checkRules(_ definition: VMDefinition) throws(LivemigError) -> MoveSlot {
        let root = environment.root
        let policy = try root.policy.load()
        try policy.admit(peer: request.peer.name, at: root.path)
        try TrackingSupport.ofThisProcess.require(kernel: HostFactsProbe.platform().release)
        try MoveRules.check(definition)
        let isDirect = request.policy.path == .direct
        if isDirect { try PeerKeys(root: root).requireKey(for: request.peer.name) }
        // What is in between may take any network.
        let isUnrelayed = isDirect && request.peer.jumps.isEmpty
        let address = isUnrelayed ? IPAddress(request.peer.address) : nil
        try policy.admit(address: address, at: root.path)
        return try MoveSlots(root: root).take(
            .outgoing, limit: policy.liveMoves,
            for: MoveSlots.Guest(definition.name, memory: definition.memory)
        ).slot
    }

    /// Insists that the destination has the definition as it is now.
    ///
    /// Asked with a slot taken, from when on nobody changes it.
    private func requireSameDefinition() throws(LivemigError) {
        let document = try MachineStore(root: environment.root).message(of: request.name).definition
        guard StartOutgoing.checksum(of: document) == request.definition else {
            throw LivemigError(
                .busy, "the definition of VM \(request.name) has been changed meanwhile",
                at: environment.root.path, fix: "move again")
        }
    }

    private func move(
        _ preCopy: consuming PreCopy, _ session: SourceSession, _ image: SourceImage,
        _ guardian: borrowing GuardianClient, size: ByteCount, deadline: MonotonicTime
    ) throws(LivemigError) -> MigrationReport {
        if request.policy.verification == .full {
            try MemoryComparison.requireTime(for: image)
        }
        let start = MonotonicTime.now
        events.sendIfPossible(PhaseMessage(.preCopy))
        try runRounds(&preCopy, session, deadline)
        CrashPoint.reach(.sourceConverged)
        try awaitPorts(&preCopy, session, deadline)
        CrashPoint.reach(.sourceMachineReady)
        // What may move paused does not pause a guest that runs.
        let isPaused =
            request.policy.keepPaused
            && MachineStore(root: environment.root).guardianState(of: request.name)?.guest
                == .paused
        let handOver = HandOver(
            request: request, link: session.link, board: session.board, image: image,
            control: control, events: events, isPaused: isPaused)
        let outcome: HandOver.Outcome
        var stateBytes: UInt64?
        do throws(LivemigError) {
            outcome = try handOver.run(&preCopy, guardian, noting: &stateBytes)
        } catch {
            // The next attempt knows whether the path is fast enough for it.
            let folder = environment.root.machine(request.name)
            if let stateBytes { DeviceStateSize.keep(stateBytes, in: folder) }
            throw error
        }
        let totals = session.board.overall
        let (verified, differing) = outcome.audit.result(of: request.policy.verification)
        return MigrationReport(
            rounds: Int(preCopy.rounds), transfer: outcome.resumedAt - start,
            downtime: outcome.downtime, guestBytes: size,
            wireBytes: totals.wireBytes + session.link.sink.bytesSent, pages: totals.pages,
            epoch: request.attempt.epoch, sourceIsClean: outcome.sourceIsClean,
            isRunning: outcome.isRunning, verified: verified, differing: differing,
            reach: outcome.reach)
    }

    /// Runs rounds until they converge, or are in vain and that does not matter.
    func runRounds(
        _ preCopy: inout PreCopy, _ session: SourceSession, _ deadline: MonotonicTime
    ) throws(LivemigError) {
        let path = PathMeter(
            session.link, budget: request.policy.maxDowntime,
            state: DeviceStateSize.expected(in: environment.root.machine(request.name)))
        let rule = ConvergenceRule(
            budget: request.policy.maxDowntime, handOver: Self.handOverCost)
        let outcome = try preCopy.run(
            rule, deadline: deadline, fallback: request.policy.onTimeout,
            // READY and the token each take half a round-trip of the link.
            handOver: {
                Self.handOverCost + (session.link.clock?.uncertainty ?? .zero) * 2
                    + path.deviceState()
            }
        ) { (round) throws(LivemigError) in
            try control.check()
            CrashPoint.reach(.sourceRoundPlaced)
            events.sendIfPossible(RoundMessage(round))
        }
        if case .notConverging(let error) = outcome, request.policy.onTimeout == .abort {
            throw error
        }
    }

    /// After a failure: makes sure that the guest runs here if it is this host's, lets the
    /// destination give the attempt up, and says where the guest is.
    private func settle(
        _ failure: LivemigError, _ guardian: borrowing GuardianClient, _ link: PeerLink?
    ) -> LivemigError {
        guard failure.guest == nil else { return failure }
        let failure = reason(for: failure, guardian.descriptor)
        do throws(LivemigError) {
            try abort(guardian)
        } catch  where error.code == .inTransfer || error.code == .tooLate {
            return inTransfer(error)
        } catch {
            // A guardian that has let this worker go has given the attempt up before.
        }
        if let link {
            link.sink.sendIfPossible(Abort(attempt: request.attempt))
            _ = link.waitForRefusal(deadline: .now + HandoffLimits.refusal)
        }
        let store = MachineStore(root: environment.root)
        guard let state = store.guardianState(of: request.name) else { return failure }
        return failure.with(
            guest: GuestLocation(
                vm: request.name.text, state: state.guest, host: "",
                epoch: state.record.right.epoch))
    }

    /// Gives the attempt up; a guardian that has died is replaced, so that the guest does not stand
    /// still with nobody to resume it.
    ///
    /// A new guardian gives an attempt up by itself, and one that has let this worker go has done
    /// so; what it works on now is not this worker's to abort.
    private func abort(_ guardian: borrowing GuardianClient) throws(LivemigError) {
        do throws(LivemigError) {
            try guardian.perform(GuardianAbort())
        } catch  where error.code == .disconnected {
            let search = GuardianSearch(environment: environment)
            guard let successor = try search.guardian(of: request.name) else { throw error }
            let state = try successor.request(
                GuardianDescribe(wantsMemory: false), for: GuardianState.self)
            if case .released(request.attempt, _) = state.record.right {
                throw LivemigError(.inTransfer, "the right to run was given away")
            }
        }
    }

    private func inTransfer(_ error: LivemigError) -> LivemigError {
        LivemigError(
            .inTransfer, "the right to run was given away and is not acknowledged",
            at: error.explanation, fix: "run livemig recover \(request.name)",
            guest: GuestLocation(
                vm: request.name.text, state: .inTransfer, host: "", epoch: request.attempt.epoch))
    }
}
