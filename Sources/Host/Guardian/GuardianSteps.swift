import CrashPoints
import Glibc
import GuestMemory
import Handoff
import Hypervisor
import Journal
import LinuxSystem
import Logging
import MigrationModel
import Ownership
import SavedGuests
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
            try decide(.give(.release(release.attempt, ready: release.ready, own: release.own)))
        case .guardianFinish:
            try decide(.give(.acknowledged(try packet.decode(GuardianFinish.self).attempt)))
        case .guardianOverrule:
            try decide(.give(.overruled(try packet.decode(GuardianOverrule.self).attempt)))
        case .guardianReclaim:
            try decide(.give(.refused(try packet.decode(GuardianReclaim.self).attempt)))
        case .guardianAbort: try decide(.abort)
        case .guardianLoad: try load(try descriptor(of: &packet))
        case .guardianReady:
            let ready = try packet.decode(GuardianReady.self)
            try decide(.receive(.ready(ready.attempt, digest: ready.digest)))
        case .guardianOwn: return try own(try packet.decode(), for: client)
        case .guardianDiscard:
            try decide(.receive(.discard(try packet.decode(GuardianDiscard.self).attempt)))
        case .guardianPowerOff: try decide(.powerOff)
        case .guardianSettle: try settle()
        case .guardianCancel: try decide(.cancel)
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
        case .guardianKeep: try decide(.keep(by: client))
        case .guardianRestore: try restore(try packet.decode(), for: client)
        case .guardianSeize:
            let fenced = try packet.decode(GuardianSeize.self).fenced
            try decide(.peerFenced, peer: "\(fenced) (fenced)")
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
        try requireIdle()
        guard let machine else { throw placed(.heldByMove) }
        let guest: SourceMachine.Guest
        switch try machine.status() {
        case .running: guest = .running
        case .paused: guest = .paused
        case .ioError: throw complaint(of: .ioError) ?? .heldByMove
        case .failed: throw complaint(of: .failed) ?? .heldByMove
        case let status:
            throw LivemigError(.vmState, "the guest is \(status.rawValue), nothing to move live")
        }
        try decide(
            .begin(request.attempt, guest, keepPaused: request.keepPaused, by: client),
            peer: request.peer)
    }

    /// Insists that no agent works with the guest.
    func requireIdle() throws(LivemigError) {
        do throws(LivemigError) { try core.requireIdle() } catch { throw placed(error) }
    }

    private func stop(_ request: GuardianStop) throws(LivemigError) {
        let limit = min(request.limit, MigrationPolicy.blackoutLimit)
        try decide(.give(.stop), limit: limit)
    }

    private func save(_ descriptor: consuming OwnedDescriptor) throws(LivemigError) {
        var limit = deadline
        if case .saving = core.work { limit = .now + Self.stateLimit }
        guard core.ownership.right.isIntent || core.isStoring, let machine, let limit else {
            throw LivemigError(.wire, "device state asked for outside a switchover")
        }
        CrashPoint.reach(.beforeSave)
        // A port that waits for a reader would wait on the next host as well.
        consoles.drain()
        try machine.saveDeviceState(to: descriptor, deadline: limit)
        CrashPoint.reach(.afterSave)
    }

    // MARK: Recovery

    /// Whatever a move left behind is put in order; a move in progress is left alone.
    private func settle() throws(LivemigError) {
        try decide(.settle(isRunning: try machine?.status() == .running))
    }

    // MARK: Both

    /// Has the core decide, and does what it says, in order.
    ///
    /// - Parameters:
    ///   - input: what has happened.
    ///   - peer: the other host, for the record's reader.
    ///   - limit: how long the guest may stand still, where it is stopped.
    func decide(
        _ input: GuardianCore<CInt>.Input, peer: String? = nil, limit: Duration = .zero
    ) throws(LivemigError) {
        do throws(LivemigError) { try core.plan(input) } catch { throw placed(error) }
        let isIdle = core.next == nil
        while let effect = core.next {
            do throws(LivemigError) {
                try perform(effect, peer: peer, limit: limit)
                core.done()
            } catch {
                let consequence = core.failed(error)
                if consequence == .goesOn {
                    log.error("record not written, the guest runs on: \(error)")
                }
            }
        }
        try core.conclude()
        if !isIdle { log.info("record", metadata: ["right": "\(core.ownership.right.word)"]) }
    }

    private func perform(
        _ effect: GuardianCore<CInt>.Effect, peer: String?, limit: Duration
    ) throws(LivemigError) {
        switch effect {
        case .record(let right):
            CrashPoint.reach(.beforeRecord(right))
            try journal.write(right, peer: peer)
            CrashPoint.reach(.afterRecord(right))
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
            // A file from before the guest ran would take it back behind what its disks hold.
            if savedFile.exists { try savedFile.discard() }
            try machine?.resume()
            if core.isResumeOwed { log.info("resumed, the disk is free") }
            CrashPoint.reach(.afterResume)
        case .resumeRestoredGuest:
            CrashPoint.reach(.beforeResume)
            try machine?.resume()
            CrashPoint.reach(.afterResume)
        case .destroyGuest:
            CrashPoint.reach(.beforeDestroy)
            machine?.destroy()
            CrashPoint.reach(.afterDestroy)
        case .keepSavedGuest: try keepSavedGuest()
        case .spendSavedGuest:
            try savedFile.spend()
            CrashPoint.reach(.restoringSpent)
        case .removeUnfinishedSave: savedFile.removeUnfinished()
        case .letGo(let client): clients.removeAll { $0.number == client }
        }
    }

    /// A refusal with the place of what is in its way.
    func placed(_ error: LivemigError) -> LivemigError {
        guard error.code == .busy, error.place.isEmpty else { return error }
        var error = error
        error.place = core.isStoring ? assignment.folder.path : journal.record.underWay
        return error
    }

    // MARK: The destination

    private func load(_ descriptor: consuming OwnedDescriptor) throws(LivemigError) {
        guard core.ownership.right.isArmed || isRestoring, let machine else {
            throw LivemigError(.wire, "device state came outside a hand-over")
        }
        CrashPoint.reach(.beforeLoad)
        try machine.loadDeviceState(from: descriptor, deadline: .now + Self.stateLimit)
        CrashPoint.reach(.afterLoad)
    }

    private var isRestoring: Bool { if case .restoring = core.work { true } else { false } }

    private func own(_ request: GuardianOwn, for client: CInt) throws(LivemigError) {
        let start = MonotonicTime.now
        try decide(
            .receive(.token(request.attempt, digest: request.digest, resume: request.resume)))
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
