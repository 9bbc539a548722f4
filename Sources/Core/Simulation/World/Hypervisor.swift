import MigrationModel

/// A hypervisor with one copy of the guest, alive or dead.
///
/// Memory and devices are the number of the moment that they are of: every stretch of execution,
/// anywhere, gets a greater one.
struct Hypervisor {
    enum State { case incoming, paused, running, failed, dead }

    var state: State
    /// The moment that guest RAM is of; 0 for RAM that was never whole.
    var memory: Int
    /// The moment that the devices are of.
    var devices: Int
    /// The attempt that its memory was made for; `nil` for a guest that was started here.
    var attempt: Attempt?
    /// Whether pages differ from what they should be.
    var isDamaged = false
    /// Until when the monitor answers garbage or nothing.
    var isDeafUntil = 0
    /// Until when another process holds the disk's lock.
    var isLockedUntil = 0

    var isAlive: Bool { state != .dead }
}

extension World {
    /// What the hypervisor does, by its monitor.
    func status(at host: Int) throws(LivemigError) -> GuestLocation.State {
        guard let guest = hosts[host].hypervisor, guest.isAlive else { return .stopped }
        try listen(host)
        return switch guest.state {
        case .running: .running
        case .paused, .incoming: .paused
        case .failed, .dead: .stopped
        }
    }

    private func listen(_ host: Int) throws(LivemigError) {
        guard let guest = hosts[host].hypervisor, guest.isDeafUntil > now else { return }
        throw LivemigError(.qmp, "no answer from the monitor")
    }

    /// Stops the guest; one that does not answer may stop, and goes on later.
    func stopGuest(at host: Int) throws(LivemigError) {
        guard let guest = hosts[host].hypervisor, guest.isAlive else {
            throw LivemigError(.guestDown, "the hypervisor has ended")
        }
        try listen(host)
        if guest.state == .running {
            execute(host)
            hosts[host].hypervisor?.state = .paused
        }
    }

    /// Lets the guest run, with all that can go wrong with it.
    func resumeGuest(at host: Int) throws(LivemigError) {
        guard let guest = hosts[host].hypervisor, guest.isAlive else {
            throw LivemigError(.qmp, "the hypervisor has ended")
        }
        switch guest.state {
        case .running: return
        case .incoming: throw LivemigError(.vmState, "no device state yet")
        case .failed, .dead: throw LivemigError(.guestDown, "the guest has failed")
        case .paused: break
        }
        if guest.isLockedUntil > now { throw LivemigError(.lock, "the disk is held elsewhere") }
        if guest.isDeafUntil > now {
            // Carried out or not: the answer does not come.
            if random.chance(500) { try start(host) }
            throw LivemigError(.qmp, "no answer to cont")
        }
        if faults.has(.badResume), !isQuiet, random.chance(30) {
            if random.chance(500) { try start(host) }
            excuse("hypervisor of \(name(host)) died at cont")
            killHypervisor(at: host)
            throw LivemigError(.qmp, "the hypervisor has ended")
        }
        try start(host)
        if faults.has(.badResume), !isQuiet, random.chance(30) {
            excuse("guest on \(name(host)) failed at once")
            hosts[host].hypervisor?.state = .failed
            throw LivemigError(.guestDown, "the guest has failed")
        }
    }

    /// The first instruction: the moment at which a wrong copy shows.
    private func start(_ host: Int) throws(LivemigError) {
        guard let guest = hosts[host].hypervisor else { return }
        note(name(host), "guest RUNS, memory of moment \(guest.memory)")
        checkStart(of: guest, on: host)
        hosts[host].hypervisor?.state = .running
        execute(host)
    }

    /// Instructions are executed: the copy is of a new moment.
    func execute(_ host: Int) {
        guard hosts[host].hypervisor?.state == .running else { return }
        moment += 1
        hosts[host].hypervisor?.memory = moment
        hosts[host].hypervisor?.devices = moment
        lastRun = (moment, host)
    }

    /// Saves the devices; the hypervisor writes to guest RAM while it does.
    func saveDevices(at host: Int) throws(LivemigError) -> Int {
        guard let guest = hosts[host].hypervisor, guest.isAlive else {
            throw LivemigError(.qmp, "the hypervisor has ended")
        }
        try listen(host)
        guard guest.state == .paused else {
            throw LivemigError(.deviceState, "the guest does not stand still")
        }
        moment += 1
        hosts[host].hypervisor?.memory = moment
        hosts[host].hypervisor?.devices = moment
        if lastRun.host == host { lastRun.moment = moment }
        return moment
    }

    func loadDevices(_ devices: Int, at host: Int) throws(LivemigError) {
        guard let guest = hosts[host].hypervisor, guest.isAlive else {
            throw LivemigError(.destinationQEMU, "the hypervisor has ended")
        }
        do throws(LivemigError) {
            try listen(host)
        } catch {
            throw LivemigError(.destinationQEMU, error.what)
        }
        guard guest.state == .incoming else {
            throw LivemigError(.destinationQEMU, "device state came twice")
        }
        hosts[host].hypervisor?.devices = devices
        hosts[host].hypervisor?.state = .paused
    }

    func killHypervisor(at host: Int) {
        guard hosts[host].hypervisor?.isAlive == true else { return }
        execute(host)
        hosts[host].hypervisor?.state = .dead
        if let guardian = hosts[host].guardian {
            set(.ended, of: guardian, after: random.number(in: 0...20))
        }
    }

    /// The guardian ends the hypervisor and waits for its end.
    func destroyGuest(at host: Int) {
        if hosts[host].hypervisor?.isAlive == true {
            note(name(host), "guest destroyed")
            checkEnd(on: host)
        }
        hosts[host].hypervisor = nil
    }
}
