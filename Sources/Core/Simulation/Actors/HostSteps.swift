import MigrationModel
import Ownership

/// What agents and guardians do with a host's record and processes.
extension World {
    /// Starts a guardian; the record's lock keeps a second one away.
    func startGuardian(on host: Int) throws(LivemigError) -> GuardianProcess {
        guard hosts[host].guardian == nil else {
            throw LivemigError(.busy, "another process holds the record")
        }
        try openRecord(on: host)
        let guardian = GuardianProcess(number(), on: host, hosts[host].disk.right)
        add(guardian)
        hosts[host].guardian = guardian.id
        return guardian
    }

    /// A guest whose guardian died gets a new one.
    func adoptOrphan(on host: Int) throws(LivemigError) {
        guard hosts[host].guardian == nil, hosts[host].hypervisor?.isAlive == true else { return }
        let guardian = try startGuardian(on: host)
        note(guardian.name, "adopts the guest")
        try guardian.adopt(in: self)
    }

    /// What a reader of the record alone says.
    func reportWithoutGuardian(on host: Int) -> HostReport? {
        guard (try? openRecord(on: host)) != nil else { return nil }
        let isOrphan = hosts[host].hypervisor?.isAlive == true
        return HostReport(
            view: HostView(right: hosts[host].disk.right, guest: isOrphan ? .unknown : .stopped),
            peer: hosts[host].disk.peer, isDefined: hosts[host].isDefined)
    }

    /// A record that a dead process wrote may be in the page cache alone: it must not be acted on
    /// before it is on the medium.
    private func openRecord(on host: Int) throws(LivemigError) {
        guard mutant != .unsyncedRecordIsTrusted else { return }
        if hosts[host].disk.hasFailed { return }
        hosts[host].disk.sync()
    }

    /// A recovery step where there is no guest: only the record changes.
    func restOnRecord(_ step: RecoveryStep, by agent: Process) throws(LivemigError) {
        guard let host = agent.host else { return }
        try openRecord(on: host)
        var machine = GuardianMachine(right: hosts[host].disk.right, guest: .running)
        let event = try step.eventWithoutGuest()
        for case .record(let right) in try decide(event, &machine) {
            try write(right, peer: nil, by: agent)
        }
        switch hosts[host].disk.right {
        case .gone, .aborted: hosts[host].isDefined = false
        default: break
        }
    }

    /// Writes a record and has it on the medium, or fails, or dies in between.
    func write(_ right: Right, peer: Int?, by process: Process) throws(LivemigError) {
        guard let host = process.host else { return }
        if hosts[host].disk.hasFailed {
            throw LivemigError(.fsync, "the record's medium has failed before")
        }
        checkChange(from: hosts[host].disk.right, to: right, on: host)
        if faults.has(.badDisk), !isQuiet, random.chance(10) {
            let reached = random.chance(400)
            let outcome = reached ? "written" : "not written"
            excuse("the disk of \(name(host)) fails, \(right.brief) \(outcome)")
            hosts[host].disk.fail(right, peer: peer, reached: reached)
            throw LivemigError(.fsync, "the record cannot be written")
        }
        hosts[host].disk.write(right, peer: peer)
        try crashPoint(of: process)
        if !(mutant == .noArmedRule && right.isReceived) { hosts[host].disk.sync() }
        note(name(host), "record \(right.brief)")
    }

    /// A moment at which a process or its host may die.
    /// - Throws: when it has.
    func crashPoint(of process: Process) throws(LivemigError) {
        guard !isQuiet, let host = process.host else { return }
        if faults.has(.kill), random.chance(4) {
            note(process.name, "KILLED between two steps")
            end(process.id)
        } else if faults.has(.power), random.chance(4) {
            losePower(host)
        }
        guard processes[process.id] != nil else { throw LivemigError(.internal, "killed") }
    }
}

extension Right {
    /// Whether a destination writes it.
    fileprivate var isReceived: Bool {
        switch self {
        case .armed, .ready, .aborted, .owner(_, .some): true
        default: false
        }
    }
}
