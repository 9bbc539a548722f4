import CrashPoints
import Glibc
import GuestMemory
import Hypervisor
import Journal
import LinuxSystem
import Logging
import MigrationModel
import Ownership
import WireProtocol

/// What agents ask for, step by step, and what the state machines make of it.
extension Guardian {
    /// Reads one request of a client, carries it out and answers.
    func serve(_ client: CInt) {
        do throws(LivemigError) {
            var packet = try GuardianChannel.receive(from: client)
            guard !packet.isEnd else { return disconnect(client) }
            do throws(LivemigError) {
                try answer(&packet, of: client)
            } catch {
                log.warning("refused: \(error)")
                try GuardianChannel.send(FailureMessage(error), to: client)
            }
        } catch {
            disconnect(client)
        }
    }

    private func answer(
        _ packet: inout GuardianPacket, of client: CInt
    ) throws(LivemigError) {
        switch packet.type {
        case .guardianDescribe:
            let wanted = try packet.decode(GuardianDescribe.self).wantsMemory
            let descriptors = wanted ? [memory.descriptor.number] : []
            return try GuardianChannel.send(state(), with: descriptors, to: client)
        case .guardianHello where protocolVersion > 0:
            _ = try packet.decode(GuardianHello.self)
            return try GuardianChannel.send(
                GuardianWelcome(version: protocolVersion, program: Banner.currentProgram),
                to: client)
        case .guardianBegin: try begin(try packet.decode(), by: client)
        case .guardianStop: try stop(try packet.decode())
        case .guardianSave: try save(try descriptor(of: &packet))
        case .guardianRelease:
            let release = try packet.decode(GuardianRelease.self)
            try handle(
                .source(.release(release.attempt, ready: release.ready, own: release.own)))
        case .guardianFinish:
            try handle(.source(.acknowledged(try packet.decode(GuardianFinish.self).attempt)))
            isFinished = true
        case .guardianOverrule:
            try handle(.source(.overruled(try packet.decode(GuardianOverrule.self).attempt)))
            (isFinished, isOverruled) = (true, true)
        case .guardianReclaim:
            try handle(.source(.refused(try packet.decode(GuardianReclaim.self).attempt)))
        case .guardianAbort: try isStoring ? giveUpStoring() : handle(.source(.abort))
        case .guardianLoad: try load(try descriptor(of: &packet))
        case .guardianReady:
            let ready = try packet.decode(GuardianReady.self)
            try handle(.destination(.ready(ready.attempt, digest: ready.digest)))
        case .guardianOwn: return try own(try packet.decode(), for: client)
        case .guardianDiscard:
            try handle(.destination(.discard(try packet.decode(GuardianDiscard.self).attempt)))
            isFinished = true
        case .guardianPowerOff: try powerOff()
        case .guardianSettle: try settle()
        case .guardianCancel: try cancel()
        case .guardianFreeze: try machine?.stop()
        case .guardianInspect:
            let blockers = try machine?.blockers() ?? []
            return try GuardianChannel.send(GuardianInspection(blockers: blockers), to: client)
        case .guardianAttachConsole:
            let access = try packet.decode(GuardianAttachConsole.self).access
            let answer = try consoles.add(try descriptor(of: &packet), access)
            return try GuardianChannel.send(
                GuardianConsole(canType: answer.canType, others: UInt32(answer.others)),
                to: client)
        case .guardianSuspend: return try suspend(for: client)
        case .guardianKeep: try keep(for: client)
        case .guardianRestore: try restore(try packet.decode(), for: client)
        case .guardianSeize:
            let fenced = try packet.decode(GuardianSeize.self).fenced
            try handle(.peerFenced, peer: "\(fenced) (fenced)")
        default: throw LivemigError(.wire, "\(WireError.type(packet.type?.rawValue ?? 0))")
        }
        try GuardianChannel.send(DoneMessage(), to: client)
    }

    private func descriptor(of packet: inout GuardianPacket) throws(LivemigError) -> OwnedDescriptor
    {
        guard let descriptor = packet.takeDescriptor() else {
            throw LivemigError(.wire, "a request came without its descriptor")
        }
        return descriptor
    }

    // MARK: The source

    private func begin(_ request: GuardianBegin, by client: CInt) throws(LivemigError) {
        try requireNotStoring()
        guard worker == nil, let machine else { throw busy }
        var guest = SourceMachine.Guest.running
        switch try machine.status() {
        case .running: break
        case .paused where request.keepPaused: guest = .paused
        case .paused:
            throw LivemigError(
                .paused, "the guest is paused and would stay so",
                fix: "pass --keep-paused to move it all the same")
        case .ioError: throw complaint(of: .ioError) ?? busy
        case .failed: throw complaint(of: .failed) ?? busy
        case let status:
            throw LivemigError(.vmState, "the guest is \(status.rawValue), nothing to move live")
        }
        let before = ownership
        ownership = GuardianMachine(right: ownership.right, guest: guest)
        worker = client
        do throws(LivemigError) {
            try handle(.source(.begin(request.attempt)), peer: request.peer)
        } catch {
            (worker, ownership) = (nil, before)
            throw error
        }
    }

    private func stop(_ request: GuardianStop) throws(LivemigError) {
        let limit = min(request.limit, MigrationPolicy.blackoutLimit)
        try handle(.source(.stop), limit: limit)
    }

    private func save(_ descriptor: consuming OwnedDescriptor) throws(LivemigError) {
        var limit = deadline
        if case .saving = storing { limit = .now + Self.stateLimit }
        guard ownership.right.isIntent || isStoring, let machine, let limit else {
            throw LivemigError(.wire, "device state asked for outside a switchover")
        }
        CrashPoint.reach(.beforeSave)
        // A port that waits for a reader would wait on the next host as well.
        consoles.drain()
        try machine.saveDeviceState(to: descriptor, deadline: limit)
        CrashPoint.reach(.afterSave)
    }

    private func powerOff() throws(LivemigError) {
        try requireNotStoring()
        guard case .owner = journal.record.right else {
            throw LivemigError(
                .busy, "a migration holds the VM", at: "record says \(journal.record.right.word)",
                fix: "cancel or recover it first")
        }
        machine?.destroy()
        isFinished = true
    }

    // MARK: Recovery

    /// Whatever a move left behind is put in order; a move that goes on is let be.
    private func settle() throws(LivemigError) {
        try requireNotStoring()
        if worker != nil, ownership.right.isUnderWay { throw busy }
        let isStill = try machine?.status() != .running
        try handle(.adopted(isStill ? .stopped : .running))
    }

    /// The worker notices that its connection has gone.
    private func cancel() throws(LivemigError) {
        guard case .intent = ownership.right, let worker else {
            guard ownership.right.isUnderWay else {
                throw LivemigError(
                    .notRunning, "no move of the VM is under way",
                    at: "record says \(ownership.right.word)")
            }
            return try handle(.source(.abort))
        }
        disconnect(worker)
    }

    var busy: LivemigError {
        LivemigError(.busy, "another migration holds the VM", at: journal.record.underWay)
    }

    // MARK: Both

    /// Feeds the state machine and does what it says, in order.
    ///
    /// - Parameters:
    ///   - event: what has happened.
    ///   - peer: the other host, for the record's reader.
    ///   - limit: how long the guest may stand still, where it is stopped.
    func handle(
        _ event: GuardianMachine.Event, peer: String? = nil, limit: Duration = .zero
    ) throws(LivemigError) {
        let before = ownership
        let effects = try ownership.handle(event)
        for effect in effects {
            switch effect {
            case .record(let right): try record(right, peer: peer, before: before)
            case .armDeadline:
                deadline = .now + limit
                CrashPoint.reach(.deadlineArmed)
            case .disarmDeadline: deadline = nil
            case .stopGuest:
                CrashPoint.reach(.beforeStop)
                try machine?.stop()
                consoles.drain()
                CrashPoint.reach(.afterStop)
            case .resumeGuest:
                CrashPoint.reach(.beforeResume)
                try resumeOwnGuest()
                CrashPoint.reach(.afterResume)
            case .destroyGuest:
                CrashPoint.reach(.beforeDestroy)
                isResumeOwed = false
                machine?.destroy()
                CrashPoint.reach(.afterDestroy)
            }
        }
        if ownership.right.mayRun, !ownership.right.isUnderWay { worker = nil }
        log.info("record", metadata: ["right": "\(ownership.right.word)"])
    }

    /// Writes the record; the state machine says what becomes of the event when that fails.
    private func record(
        _ right: Right, peer: String?, before: GuardianMachine
    ) throws(LivemigError) {
        do throws(LivemigError) {
            CrashPoint.reach(.beforeRecord(right))
            try journal.write(right, peer: peer)
            CrashPoint.reach(.afterRecord(right))
        } catch {
            switch GuardianMachine.failure(toRecord: right, after: before.right) {
            case .goesOn: log.error("record not written, the guest runs on: \(error)")
            case .counts: throw error
            case .undone:
                ownership = before
                throw error
            }
        }
    }

    // MARK: The destination

    private func load(_ descriptor: consuming OwnedDescriptor) throws(LivemigError) {
        guard ownership.right.isArmed || isRestoring, let machine else {
            throw LivemigError(.wire, "device state came outside a hand-over")
        }
        CrashPoint.reach(.beforeLoad)
        try machine.loadDeviceState(from: descriptor, deadline: .now + Self.stateLimit)
        CrashPoint.reach(.afterLoad)
    }

    private var isRestoring: Bool { if case .restoring = storing { true } else { false } }

    private func own(_ request: GuardianOwn, for client: CInt) throws(LivemigError) {
        let start = MonotonicTime.now
        do throws(LivemigError) {
            try handle(
                .destination(
                    .token(request.attempt, digest: request.digest, resume: request.resume)))
        } catch {
            if GuardianMachine.provesThatNothingRan(error) {
                try handle(.destination(.resumeRefused))
            }
            throw error
        }
        let resumed = MonotonicTime.now
        try GuardianChannel.send(
            GuardianResumed(at: resumed.nanoseconds, took: resumed - start), to: client)
        machine?.announce()
        CrashPoint.reach(.afterAnnounce)
    }
}

extension OwnershipRecord {
    /// Who moves the VM, and for how long already.
    fileprivate var underWay: String {
        let age = max(0, Glibc.time(nil) - Int(clamping: time))
        return "\(right.attempt?.description ?? "no attempt"), to \(peer), begun \(age) s ago"
    }
}

extension Right {
    /// Whether the record says that a copy is being received.
    fileprivate var isArmed: Bool { if case .armed = self { true } else { false } }

    /// Whether the record belongs to a copy that has not got the right.
    var isIncoming: Bool {
        switch self {
        case .armed, .ready, .aborted: true
        default: false
        }
    }
}

extension CrashPoint {
    fileprivate static func beforeRecord(_ right: Right) -> CrashPoint {
        switch right {
        case .none, .owner: .beforeOwner
        case .intent: .beforeIntent
        case .released: .beforeReleased
        case .gone: .beforeGone
        case .armed: .beforeArmed
        case .ready: .beforeReady
        case .aborted: .beforeAborted
        }
    }

    fileprivate static func afterRecord(_ right: Right) -> CrashPoint {
        switch right {
        case .none, .owner: .afterOwner
        case .intent: .afterIntent
        case .released: .afterReleased
        case .gone: .afterGone
        case .armed: .afterArmed
        case .ready: .afterReady
        case .aborted: .afterAborted
        }
    }
}
