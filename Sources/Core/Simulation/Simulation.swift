import MigrationModel
import Ownership

/// One seed from its first event to recovery.
public enum Simulation {
    /// What came of a seed.
    public struct Result: Sendable {
        /// The seed.
        public let seed: UInt64
        /// The promise that was broken; `nil` for a clean seed.
        public let violation: Violation?
        /// How many lines its trace has.
        public let events: Int
        /// How many moves ended with the guest on the destination.
        public let moves: Int
        /// The trace, where it was asked for.
        public let trace: [String]
    }

    /// How long faults and operators are at work, in milliseconds of virtual time.
    private static let trouble = 120_000
    /// How long everything may take to come to rest.
    private static let rest = 200_000
    /// How often recovery is asked for until nothing changes, and how long each may take.
    private static let recoveries = 8
    private static let recovery = 60_000

    /// Runs a seed.
    ///
    /// - Parameters:
    ///   - seed: decides everything; the same seed gives the same trace.
    ///   - mutant: a rule to leave out.
    ///   - keepsTrace: whether the lines of the trace are kept.
    public static func run(
        seed: UInt64, mutant: Mutant? = nil, keepsTrace: Bool = false
    ) -> Result {
        let world = World(seed: seed, mutant: mutant, keepsTrace: keepsTrace)
        world.clock.plan(.fault, after: 500)
        world.clock.plan(.operation, after: 0)
        world.run(until: trouble)
        world.becomeQuiet()
        world.run(until: trouble + rest)
        recover(world)
        if world.restartHostsWithFailedDisks() {
            world.run(until: world.now + rest)
            recover(world)
        }
        world.checkOutcome()
        world.coldStart()
        return Result(
            seed: seed, violation: world.violation, events: world.trace.count,
            moves: world.taken.count, trace: world.trace.lines)
    }

    /// Recovers until nothing changes any more.
    private static func recover(_ world: World) {
        var state = world.state
        for _ in 0..<recoveries {
            RecoverCommand(in: world).begin(in: world)
            world.run(until: world.now + recovery)
            let next = world.state
            if next == state { return }
            state = next
        }
    }
}

extension World {
    /// What recovery can change.
    fileprivate var state: [HostView] { hosts.indices.map(view) }

    /// A host whose record cannot be written stays as it is until its disk is seen to.
    fileprivate func restartHostsWithFailedDisks() -> Bool {
        let failed = hosts.indices.filter { hosts[$0].disk.hasFailed }
        for host in failed { losePower(host) }
        return !failed.isEmpty
    }

    /// A guest that a failure took can be started again where it is owned.
    fileprivate func coldStart() {
        guard violation == nil,
            !hosts.contains(where: { $0.hypervisor?.state == .running })
        else { return }
        for host in hosts.indices where hosts[host].disk.right.mayRun {
            if let guardian = hosts[host].guardian { end(guardian) }
            hosts[host].hypervisor = nil
        }
        startSomewhere()
        run(until: now + 60_000)
        if violation == nil, !hosts.contains(where: { $0.hypervisor?.state == .running }) {
            violate("the guest cannot be started again")
        }
    }
}
