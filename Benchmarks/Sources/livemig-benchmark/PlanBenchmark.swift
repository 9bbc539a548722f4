import Foundation
import LinuxSystem
import MigrationModel
import Planner
import TestSupport

/// Plans for 1,000 hosts with 20,000 guests, on one core: half of the hosts emptied onto the other
/// half at once, the same host after host, the way back, and all those moves through the queue.
struct PlanBenchmark {
    let runs: Int
    private static let hosts = 1000
    private static let guests = 20_000

    func run() throws {
        let fleet = try Self.fleet()
        let drained = fleet.hosts.prefix(Self.hosts / 2).map(\.name)
        var plan = try DrainPlan(draining: drained, in: fleet)
        try report("drain of \(drained.count) hosts at once, \(plan.summary)") {
            plan = try DrainPlan(draining: drained, in: fleet)
        }
        var left = fleet
        try report("drain of \(drained.count) hosts one after another", runs: 1) {
            for host in drained {
                left.apply(try DrainPlan(draining: [host], in: left))
                if let index = left.hosts.firstIndex(where: { $0.name == host }) {
                    left.hosts[index].isCordoned = true
                }
            }
        }
        var moved = fleet
        moved.apply(plan)
        let homes = Dictionary(uniqueKeysWithValues: fleet.guests.map { ($0.uuid, $0.host) })
        var back = FailbackPlan(to: homes, in: moved)
        try report("way back, \(back.steps.count) moves") {
            back = FailbackPlan(to: homes, in: moved)
        }
        precondition(back.blocked.isEmpty, "guests that do not come back")
        try report("queue, \(back.steps.count) moves") { try Self.queue(back, fleet) }
    }

    private func report(_ name: String, runs: Int? = nil, _ body: () throws -> Void) throws {
        var times: [Double] = []
        for _ in 0..<(runs ?? self.runs) {
            let start = MonotonicTime.now
            try body()
            times.append(start.elapsed.seconds)
        }
        print("plan  \(name)  \(Spread(times, "s"))")
        fflush(nil)
    }

    /// Guests of 1–19 GiB on hosts of 512 GiB; one in ten has rules of each kind.
    private static func fleet() throws -> Fleet {
        var random = Seeded(1)
        let hosts = try (0..<Self.hosts).map { number in
            Fleet.Host(
                name: try HostName(String(format: "host%04d", number)),
                memory: .mebibytes(512 << 10), reserve: .mebibytes(8 << 10), processors: 64)
        }
        let guests = try (0..<Self.guests).map { number in
            var rules = PlacementRules()
            if random.below(10) == 0 { rules.preferred = [hosts[random.below(hosts.count)].name] }
            if random.below(10) == 0 { rules.affinity = "near\(random.below(200))" }
            if random.below(10) == 0 {
                // Guests of one group are on different hosts, so that all can come back.
                rules.antiAffinity = .init("far\(number / hosts.count)", isHard: true)
            }
            return Fleet.Guest(
                name: try VMName("guest\(number)"),
                uuid: VMUUID(Bits128(high: 1, low: UInt64(number))),
                host: hosts[number % hosts.count].name,
                memory: .mebibytes(UInt64(1 + random.below(19)) << 10),
                vcpus: 1 + random.below(8),
                priority: [.low, .medium, .high][random.below(3)], rules: rules)
        }
        return Fleet(hosts: hosts, guests: guests)
    }

    private static func queue(_ plan: FailbackPlan, _ fleet: Fleet) throws {
        var queue = MoveQueue(limits: .init(of: fleet))
        var running: [VMUUID] = []
        func take(_ actions: [MoveQueue.Action]) {
            for case .start(let move) in actions { running.append(move.uuid) }
        }
        var seen: Set<VMUUID> = []
        for step in plan.steps where seen.insert(step.guest.uuid).inserted {
            take(
                try queue.submit(
                    MoveQueue.Move(
                        guest: step.guest.name, uuid: step.guest.uuid, from: step.from,
                        to: step.to, priority: step.guest.priority)))
        }
        var next = 0
        while next < running.count {
            take(queue.finished(running[next], .succeeded))
            next += 1
        }
        precondition(queue.isEmpty, "moves that were never started")
    }
}

extension Fleet {
    /// The fleet once a plan has succeeded.
    fileprivate mutating func apply(_ plan: DrainPlan) {
        var targets: [VMUUID: HostName] = [:]
        for case (let guest, .move(let host, _)) in plan.steps.map({ ($0.guest.uuid, $0.ending) }) {
            targets[guest] = host
        }
        for index in guests.indices {
            if let host = targets[guests[index].uuid] { guests[index].host = host }
        }
    }
}
