/// What goes wrong in one seed: some kinds of faults, with some frequency, and none of the others.
///
/// A seed with few kinds goes deep into what they lead to; one with all is mostly in ruins.
struct FaultPlan {
    enum Kind: Int, CaseIterable {
        /// Processes of livemig are killed.
        case kill
        /// Hypervisors die.
        case hypervisor
        /// Hosts lose power.
        case power
        /// Processes stand still for a while.
        case pause
        /// Connections break.
        case cut
        /// Nothing arrives from one host at another.
        case partition
        /// Records cannot be written or synced.
        case badDisk
        /// Monitors answer garbage or nothing.
        case deaf
        /// Disks are locked elsewhere.
        case lock
        /// Hypervisors die, or guests fail, when they are to run.
        case badResume
        /// Hypervisors do not start.
        case badLaunch
        /// Pages are damaged on the way.
        case bitFlip
        /// Operators read, and type much later.
        case slowOperators
        /// Steps are sent again, much later, by somebody who had no answer.
        case echo
        /// Operators seize the right of a host that is off.
        case force
        /// For mutants that act by themselves.
        case mutantActs
    }

    let hostCount: Int
    /// The least delay of a message between hosts, in milliseconds.
    let latency: Int
    /// The mean time between two faults, and between two operators, in milliseconds.
    let faultInterval: Int
    let operationInterval: Int
    private let kinds: Int

    init(_ random: inout Random) {
        hostCount = random.number(in: 2...3)
        latency = random.element(of: [1, 5, 40])
        faultInterval = random.element(of: [500, 2_000, 6_000])
        operationInterval = random.element(of: [1_000, 3_000, 8_000])
        let share = random.element(of: [100, 250, 500])
        kinds = Kind.allCases.reduce(0) { kinds, kind in
            random.chance(share) ? kinds | 1 << kind.rawValue : kinds
        }
    }

    func has(_ kind: Kind) -> Bool { kinds & 1 << kind.rawValue != 0 }
}

extension World {
    /// One fault of the kinds that this seed has, somewhere.
    func breakSomething() {
        guard !isQuiet else { return }
        clock.plan(.fault, after: random.number(in: 0...2 * faults.faultInterval))
        let kind = FaultPlan.Kind.allCases[random.below(FaultPlan.Kind.allCases.count)]
        let host = random.below(hosts.count)
        guard faults.has(kind) else { return }
        switch kind {
        case .kill: killSomething()
        case .hypervisor:
            guard hosts[host].hypervisor?.isAlive == true, random.chance(300) else { return }
            excuse("hypervisor on \(name(host)) KILLED")
            killHypervisor(at: host)
        case .power: if random.chance(300) { losePower(host) }
        case .pause: pauseSomething()
        case .cut:
            let links = connections.filter { !$0.value.isLocal }.keys.sorted()
            if !links.isEmpty { cut(random.element(of: links)) }
        case .partition: partition()
        case .deaf:
            hosts[host].hypervisor?.isDeafUntil = now + random.number(in: 100...8_000)
            note(name(host), "the monitor is deaf")
        case .lock:
            hosts[host].hypervisor?.isLockedUntil = now + random.number(in: 100...8_000)
            note(name(host), "the disk is held elsewhere")
        case .badDisk, .badResume, .badLaunch, .bitFlip, .slowOperators, .echo, .force,
            .mutantActs:
            break
        }
    }

    private func killSomething() {
        let victims = processes.keys.sorted()
        guard !victims.isEmpty else { return }
        let victim = random.element(of: victims)
        note(processName(victim), "KILLED")
        end(victim)
    }

    private func pauseSomething() {
        let victims = processes.keys.sorted()
        guard !victims.isEmpty else { return }
        let victim = random.element(of: victims)
        let time = random.element(of: [200, 2_000, 20_000, 60_000])
        processes[victim]?.pausedUntil = now + time
        note(processName(victim), "PAUSED for \(time) ms")
    }

    private func partition() {
        let from = random.number(in: -1...hosts.count - 1)
        let to = random.number(in: -1...hosts.count - 1)
        guard from != to else { return }
        let time = random.element(of: [500, 4_000, 15_000, 40_000])
        blocked[Direction(from: from, to: to)] = now + time
        let place = { $0 < 0 ? "operators" : self.name($0) }
        note("network", "nothing from \(place(from)) reaches \(place(to)) for \(time) ms")
    }

    /// The power goes: processes, guest and all that was not synced.
    func losePower(_ host: Int) {
        guard hosts[host].isOn else { return }
        if hosts[host].hypervisor != nil { excuse("POWER LOSS of \(name(host))") }
        note(name(host), "POWER LOSS")
        execute(host)
        hosts[host].isOn = false
        hosts[host].hypervisor = nil
        for id in places.keys.sorted() where places[id] == host {
            guard let process = processes[id] else { continue }
            for number in process.connections.sorted() { abandon(number, by: id) }
            process.connections = []
            end(id)
        }
        hosts[host].disk.losePower(&random)
        note(name(host), "the disk keeps \(hosts[host].disk.right.brief)")
        set(boot: host, after: random.number(in: 500...30_000))
    }

    /// The other end of a host without power hears of it late.
    private func abandon(_ number: Int, by process: Int) {
        guard let connection = connections[number] else { return }
        let mine = connection.index(of: process)
        connections[number]?.isOpen[mine] = false
        connections[number]?.queues[mine] = []
        guard !connection.isLocal else { return }
        connections[number]?.queues[1 - mine].append(.end)
        clock.plan(
            .delivery(connection: number, to: 1 - mine), after: random.number(in: 1_000...15_000))
    }

    private func set(boot host: Int, after delay: Clock.Time) {
        clock.plan(.boot(host), after: delay)
    }

    /// A host starts anew, unless an operator relies on its being off.
    func boot(_ host: Int) {
        guard !hosts[host].isOn else { return }
        if let process = hosts[host].fencedBy, processes[process] != nil {
            return set(boot: host, after: 1_000)
        }
        hosts[host].fencedBy = nil
        hosts[host].isOn = true
        note(name(host), "boots, record \(hosts[host].disk.right.brief)")
    }

    /// Faults stop, and what they broke works again.
    func becomeQuiet() {
        note("world", "faults stop")
        isQuiet = true
        blocked = [:]
        for process in processes.values { process.pausedUntil = min(process.pausedUntil, now) }
        for host in hosts.indices {
            hosts[host].hypervisor?.isDeafUntil = 0
            hosts[host].hypervisor?.isLockedUntil = 0
        }
    }
}
