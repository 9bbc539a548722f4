import MigrationModel
import Ownership

/// Hosts, one VM, the processes of livemig, and everything that can go wrong with them.
///
/// Not thread-safe: one simulation, one thread.
final class World {
    var random: Random
    var clock = Clock()
    var trace: Trace
    let faults: FaultPlan
    let mutant: Mutant?
    var hosts: [Host]

    var processes: [Int: Process] = [:]
    /// Where every process is or was: a host, or -1 for the operator's place.
    var places: [Int: Int] = [:]
    var names: [Int: String] = [:]
    private var processCount = 0

    var connections: [Int: Connection] = [:]
    var connectionCount = 0
    var blocked: [Direction: Clock.Time] = [:]

    /// Every stretch of execution gets a greater number.
    var moment = 1
    /// The last execution anywhere: a copy that starts must be of this moment.
    var lastRun = (moment: 1, host: 0)
    /// Attempts after which the guest has run on the destination.
    var taken: Set<MigrationID> = []
    private var migrations: UInt64 = 0
    /// Failures that may cost the guest its life.
    private(set) var excuses: [String] = []
    private(set) var violation: Violation?
    /// Whether faults and operators are still at work.
    var isQuiet = false

    init(seed: UInt64, mutant: Mutant?, keepsTrace: Bool) {
        var random = Random(seed: seed)
        faults = FaultPlan(&random)
        hosts = (0..<faults.hostCount).map { index in
            Host(disk: Disk(index == 0 ? .owner(Epoch(0), nil) : .none))
        }
        self.random = random
        self.mutant = mutant
        trace = Trace(isKept: keepsTrace)
        hosts[0].isDefined = true
        hosts[0].hypervisor = Hypervisor(state: .running, memory: 1, devices: 1)
        let guardian = GuardianProcess(number(), on: 0, hosts[0].disk.right)
        add(guardian)
        hosts[0].guardian = guardian.id
    }

    var now: Clock.Time { clock.now }

    /// Lets what is planned happen, up to a time.
    func run(until limit: Clock.Time) {
        while violation == nil, let happening = clock.next(until: limit) {
            switch happening {
            case .delivery(let connection, let to): deliver(on: connection, to: to)
            case .timer(let process, let timer, let number): fire(timer, number, of: process)
            case .fault: breakSomething()
            case .late(let step, let host): repeatStep(step, on: host)
            case .boot(let host): boot(host)
            case .operation: operate()
            }
            checkPromises()
        }
    }

    func newMigration() -> MigrationID {
        migrations += 1
        return MigrationID(Bits128(high: 0, low: migrations))
    }

    // MARK: Notes

    func name(_ host: Int) -> String { letter(host) }

    func note(_ who: String, _ what: @autoclosure () -> String) { trace.note(now, who, what()) }

    func excuse(_ what: String) {
        note("excuse", what)
        excuses.append(what)
    }

    func violate(_ promise: String) {
        guard violation == nil else { return }
        note("VIOLATION", promise)
        violation = Violation(promise: promise, time: now)
    }

    // MARK: Processes

    func number() -> Int {
        processCount += 1
        return processCount
    }

    func add(_ process: Process) {
        processes[process.id] = process
        places[process.id] = process.host ?? -1
        names[process.id] = process.name
    }

    func processName(_ id: Int) -> String { names[id] ?? "?" }

    func set(_ timer: Timer, of id: Int, after delay: Clock.Time) {
        guard let process = processes[id] else { return }
        process.timers[timer.rawValue] += 1
        clock.plan(
            .timer(process: id, timer, number: process.timers[timer.rawValue]), after: delay)
    }

    private func fire(_ timer: Timer, _ number: Int, of id: Int) {
        guard let process = processes[id], process.timers[timer.rawValue] == number else { return }
        guard process.pausedUntil <= now else {
            return clock.plan(
                .timer(process: id, timer, number: number), after: process.pausedUntil - now)
        }
        process.fired(timer, in: self)
    }

    /// A process ends by itself or is killed: the kernel closes its connections.
    func end(_ id: Int) {
        guard let process = processes[id] else { return }
        for connection in process.connections.sorted() { close(connection, by: id) }
        processes[id] = nil
        if let host = process.host, hosts[host].guardian == id { hosts[host].guardian = nil }
    }
}

/// A host: what a power loss takes, and the disk, which stays.
struct Host {
    var isOn = true
    var disk: Disk
    /// Whether the VM's definition is here; another copy of it is refused then.
    var isDefined = false
    var hypervisor: Hypervisor?
    /// The guardian, which also holds the record's lock.
    var guardian: Int?
    /// The process of an operator who relies on the host being off.
    var fencedBy: Int?

    init(disk: Disk) { self.disk = disk }
}

/// A process of livemig.
class Process {
    let id: Int
    let name: String
    /// Its host; `nil` for a process at the operator's place.
    let host: Int?
    var pausedUntil = 0
    var connections: Set<Int> = []
    /// The newest timer of each kind.
    var timers = [Int](repeating: 0, count: Timer.allCases.count)

    init(_ id: Int, _ name: String, on host: Int?) {
        self.id = id
        self.name = name
        self.host = host
    }

    func received(_ message: Message, on connection: Int, in world: World) {}
    func fired(_ timer: Timer, in world: World) {}
}
