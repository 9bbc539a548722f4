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
        case .guardianBegin: try begin(try packet.decode(), by: client)
        case .guardianStop: try stop(try packet.decode())
        case .guardianSave: try save(try descriptor(of: &packet))
        case .guardianRelease:
            let release = try packet.decode(GuardianRelease.self)
            try handleSource(.release(release.attempt, ready: release.ready, own: release.own))
        case .guardianFinish:
            try handleSource(.acknowledged(try packet.decode(GuardianFinish.self).attempt))
            isFinished = true
        case .guardianReclaim:
            try handleSource(.refused(try packet.decode(GuardianReclaim.self).attempt))
        case .guardianAbort: try handleSource(.abort)
        case .guardianLoad: try load(try descriptor(of: &packet))
        case .guardianReady:
            let ready = try packet.decode(GuardianReady.self)
            try handleDestination(.ready(ready.attempt, digest: ready.digest))
        case .guardianOwn: return try own(try packet.decode(), for: client)
        case .guardianDiscard:
            try handleDestination(.discard(try packet.decode(GuardianDiscard.self).attempt))
            isFinished = true
        case .guardianPowerOff: try powerOff()
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
        guard worker == nil, let machine, var source else {
            throw LivemigError(
                .busy, "another migration holds the VM", at: journal.record.underWay)
        }
        switch try machine.status() {
        case .running: break
        case .paused where request.keepPaused:
            source = SourceMachine(right: source.right, guest: .paused)
        case .paused:
            throw LivemigError(
                .paused, "the guest is paused and would stay so",
                fix: "pass --keep-paused to move it all the same")
        case let status:
            throw LivemigError(.vmState, "the guest is \(status.rawValue), nothing to move live")
        }
        self.source = source
        worker = client
        do throws(LivemigError) {
            try handleSource(.begin(request.attempt), peer: request.peer)
        } catch {
            worker = nil
            throw error
        }
    }

    private func stop(_ request: GuardianStop) throws(LivemigError) {
        let limit = min(request.limit, MigrationPolicy.blackoutLimit)
        try handleSource(.stop, limit: limit)
    }

    private func save(_ descriptor: consuming OwnedDescriptor) throws(LivemigError) {
        guard case .intent = source?.right, let machine, let deadline else {
            throw LivemigError(.wire, "device state asked for outside a switchover")
        }
        try machine.saveDeviceState(to: descriptor, deadline: deadline)
    }

    private func powerOff() throws(LivemigError) {
        guard case .owner = journal.record.right else {
            throw LivemigError(
                .busy, "a migration holds the VM", at: "record says \(journal.record.right.word)",
                fix: "cancel or recover it first")
        }
        machine?.destroy()
        isFinished = true
    }

    /// Feeds the source's machine and does what it says, in order.
    func handleSource(
        _ event: SourceMachine.Event, peer: String? = nil, limit: Duration = .zero
    ) throws(LivemigError) {
        guard var machine = source else {
            throw LivemigError(.migrationID, "this host does not own the VM")
        }
        let effects = try machine.handle(event)
        source = machine
        for effect in effects {
            switch effect {
            case .record(let right): try recordOnSource(right, peer: peer)
            case .armDeadline: deadline = .now + limit
            case .disarmDeadline: deadline = nil
            case .stopGuest: try self.machine?.stop()
            case .resumeGuest: try resumeOwnGuest()
            case .destroyGuest: self.machine?.destroy()
            }
        }
        if !machine.right.isUnderWay { worker = nil }
        log.info("source record", metadata: ["right": "\(machine.right.word)"])
    }

    /// A record that cannot be written does not keep a guest paused that this host owns by what is
    /// written already: an intent, or a release that the destination has refused durably.
    private func recordOnSource(_ right: Right, peer: String?) throws(LivemigError) {
        do throws(LivemigError) {
            try journal.write(right, peer: peer)
        } catch {
            guard case .owner = right else { throw error }
            log.error("record not written, the guest runs on: \(error)")
        }
    }

    // MARK: The destination

    private func load(_ descriptor: consuming OwnedDescriptor) throws(LivemigError) {
        guard case .armed = destination?.right, let machine else {
            throw LivemigError(.wire, "device state came outside a hand-over")
        }
        try machine.loadDeviceState(from: descriptor, deadline: .now + Self.loadLimit)
    }

    /// The longest a hypervisor may take to load its device state.
    private static var loadLimit: Duration { .seconds(30) }

    private func own(_ request: GuardianOwn, for client: CInt) throws(LivemigError) {
        let start = MonotonicTime.now
        do throws(LivemigError) {
            try handleDestination(
                .token(request.attempt, digest: request.digest, resume: request.resume))
        } catch {
            if hasNotRun { try handleDestination(.resumeRefused) }
            throw error
        }
        let resumed = MonotonicTime.now
        // From here on this host is the one that can give the guest away.
        source =
            source
            ?? SourceMachine(
                right: journal.record.right, guest: request.resume ? .running : .paused)
        try GuardianChannel.send(
            GuardianResumed(at: resumed.nanoseconds, took: resumed - start), to: client)
        worker = nil
        machine?.announce()
    }

    /// Whether this host owns the guest, durably, and its hypervisor refused to let it run.
    private var hasNotRun: Bool {
        guard case .owner = journal.record.right, let status = try? machine?.status() else {
            return false
        }
        return status == .paused || status == .failed
    }

    /// Feeds the destination's machine and does what it says, in order.
    func handleDestination(_ event: DestinationMachine.Event) throws(LivemigError) {
        guard var machine = destination else {
            throw LivemigError(.migrationID, "this host receives no guest")
        }
        let effects = try machine.handle(event)
        destination = machine
        for effect in effects {
            switch effect {
            case .record(let right): try journal.write(right)
            case .resumeGuest: try self.machine?.resume()
            case .destroyGuest: self.machine?.destroy()
            case .armDeadline, .disarmDeadline, .stopGuest: break
            }
        }
        log.info("destination record", metadata: ["right": "\(machine.right.word)"])
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
    /// Whether a worker is needed to go on.
    var isUnderWay: Bool {
        switch self {
        case .intent, .released: true
        default: false
        }
    }
}
