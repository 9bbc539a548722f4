import MigrationModel
import Ownership

/// What breaks the promise of the protocol, with the step that did it.
struct Violation: Error, Hashable, CustomStringConvertible {
    let description: String
}

/// A rule of the protocol left out, to see that the exploration notices.
enum Mutant: Hashable, Sendable, CaseIterable {
    /// A source that has released gives itself the right back when no answer comes.
    case sourceResumesOnTimeout
    /// A destination that is ready runs the guest without the token.
    case destinationRunsWhenReady
    /// A destination says ABORTED and keeps its record.
    case refusalIsNotDurable
    /// A source takes the acknowledgement of readiness of any digest.
    case digestIsNotCompared
    /// A destination discards its copy on a timer once it is ready, without a word.
    case readyDiscardsOnTimer
}

/// What travels: a message once sent stays there, so it may come late, again or never.
struct Network: Hashable, Sendable {
    enum Kind: Int, CaseIterable {
        case arm, final, ready, readyWrong, token, abort, aborted, acknowledged
    }

    private var bits: UInt32 = 0

    mutating func send(_ kind: Kind, _ index: Int) { bits |= Self.bit(kind, index) }

    func has(_ kind: Kind, _ index: Int) -> Bool { bits & Self.bit(kind, index) != 0 }

    private static func bit(_ kind: Kind, _ index: Int) -> UInt32 {
        1 << UInt32(index * Kind.allCases.count + kind.rawValue)
    }
}

/// Two hosts, one VM, two attempts, and a network that loses, repeats and reorders messages.
///
/// The machines are the production ones; what surrounds them is the least that can go wrong: agents
/// send what their host's record allows, at any time and any number of times, and a guest runs
/// where an effect let it run.
struct World: Hashable, Sendable {
    var source = SourceMachine(right: .owner(Epoch(0), nil), guest: .running)
    var destination = DestinationMachine(right: .none)
    var sourceRuns = true
    var sourceHasCopy = true
    var destinationRuns = false
    /// Whether the hypervisor with the copy is there.
    var destinationHasCopy = false
    /// Whether that copy is the one of a wrong digest.
    var copyIsWrong = false
    var network = Network()
    /// Whether the guest has executed an instruction on the destination.
    var ranThere = false
    /// Whether hardware took the guest away after the commit.
    var crashed = false
    var mutant: Mutant?

    static let attempts = [1, 2].map { number in
        Attempt(
            migration: MigrationID(Bits128(high: 0, low: UInt64(number))),
            epoch: Epoch(UInt64(number)))
    }
    static let digest = Bits128(high: 1, low: 1)
    static let wrong = Bits128(high: 2, low: 2)

    static func index(of attempt: Attempt) -> Int { Int(attempt.epoch.number) - 1 }
}

// MARK: Steps

extension World {
    /// Every world that one step leads to.
    func successors() throws -> [World] {
        var worlds = try mutated()
        for index in 0..<2 {
            worlds += try sourceSteps(index)
            worlds += try destinationSteps(index)
            for kind in Network.Kind.allCases where network.has(kind, index) {
                worlds += try deliver(kind, index)
            }
        }
        return worlds
    }

    private func sourceSteps(_ index: Int) throws -> [World] {
        let attempt = Self.attempts[index]
        var worlds: [World] = []
        if var next = try feedingSource(.begin(attempt)) {
            next.network.send(.arm, index)
            worlds.append(next)
        }
        switch source.right {
        case .intent(attempt):
            if let next = try feedingSource(.stop) { worlds.append(next) }
            if source.guest == .stopped { worlds.append(sending(.final, index)) }
            if let next = try feedingSource(.abort) {
                worlds.append(next)
                worlds.append(next.sending(.abort, index))
            }
        case .released(attempt, _):
            worlds.append(sending(.token, index))
            // A refusal may be asked for only while the own copy is there to go on with.
            if sourceHasCopy { worlds.append(sending(.abort, index)) }
        default: break
        }
        return worlds
    }

    private func destinationSteps(_ index: Int) throws -> [World] {
        let attempt = Self.attempts[index]
        var worlds: [World] = []
        if network.has(.final, index), destinationHasCopy {
            let ready = DestinationMachine.Event.ready(attempt, digest: Self.digest)
            if let next = try feedingDestination(ready) {
                worlds.append(next.sending(.ready, index))
            }
            let wrong = DestinationMachine.Event.ready(attempt, digest: Self.wrong)
            if var next = try feedingDestination(wrong) {
                next.copyIsWrong = true
                worlds.append(next.sending(.readyWrong, index))
            }
        }
        if case .owner(attempt.epoch, _) = destination.right, !destinationRuns, destinationHasCopy {
            worlds.append(runningThere())
        }
        if destinationHasCopy {
            var next = self
            next.destinationHasCopy = false
            next.destinationRuns = false
            if case .owner = destination.right { next.crashed = true }
            worlds.append(next)
        }
        return worlds
    }

    private func deliver(_ kind: Network.Kind, _ index: Int) throws -> [World] {
        let attempt = Self.attempts[index]
        switch kind {
        case .arm:
            guard var next = try feedingDestination(.arm(attempt)) else { return [] }
            next.destinationHasCopy = true
            next.copyIsWrong = false
            return [next]
        case .final: return []
        case .ready, .readyWrong:
            let digest = kind == .ready || mutant == .digestIsNotCompared ? Self.digest : Self.wrong
            let event = SourceMachine.Event.release(attempt, ready: digest, own: Self.digest)
            return try feedingSource(event).map { [$0] } ?? []
        case .token: return try deliverToken(index)
        case .abort:
            if mutant == .refusalIsNotDurable { return [sending(.aborted, index)] }
            let next = try feedingDestination(.discard(attempt))
            return next.map { [$0.sending(.aborted, index)] } ?? []
        case .aborted: return try feedingSource(.refused(attempt)).map { [$0] } ?? []
        case .acknowledged: return try feedingSource(.acknowledged(attempt)).map { [$0] } ?? []
        }
    }

    /// The token makes the owner; then the guest runs, or is refused its disk, or power fails.
    private func deliverToken(_ index: Int) throws -> [World] {
        let digest = mutant == .digestIsNotCompared && copyIsWrong ? Self.wrong : Self.digest
        let token = DestinationMachine.Event.token(
            Self.attempts[index], digest: digest, resume: true)
        guard destinationHasCopy, let owner = try feedingDestination(token) else { return [] }
        let acknowledged = owner.sending(.acknowledged, index)
        guard case .ready = destination.right else { return [acknowledged] }
        var worlds = [owner, acknowledged.runningThere()]
        if let refused = try owner.feedingDestination(.resumeRefused) {
            worlds.append(refused.sending(.aborted, index))
        }
        return worlds
    }

    private func mutated() throws -> [World] {
        var next = self
        switch (mutant, source.right, destination.right) {
        case (.sourceResumesOnTimeout, .released(let attempt, _), _):
            next.source = SourceMachine(right: .owner(attempt.epoch, nil), guest: .running)
            next.sourceRuns = true
        case (.destinationRunsWhenReady, _, .ready) where destinationHasCopy:
            return [runningThere()]
        case (.readyDiscardsOnTimer, _, .ready):
            next.destinationHasCopy = false
            next.destination = DestinationMachine(right: .none)
        default: return []
        }
        return [next]
    }

    private func sending(_ kind: Network.Kind, _ index: Int) -> World {
        var next = self
        next.network.send(kind, index)
        return next
    }

    private func runningThere() -> World {
        var next = self
        next.destinationRuns = true
        next.ranThere = true
        return next
    }
}

// MARK: What the machines say is done

extension World {
    private func feedingSource(_ event: SourceMachine.Event) throws -> World? {
        var next = self
        guard let effects = try? next.source.handle(event) else {
            guard next.source == source else { throw Violation(description: "\(event) refused") }
            return nil
        }
        var recorded = source.right
        for effect in effects {
            switch effect {
            case .record(let right): recorded = right
            case .stopGuest: next.sourceRuns = false
            case .resumeGuest:
                guard case .owner = recorded, sourceHasCopy else {
                    throw Violation(description: "source resumes as \(recorded.word)")
                }
                next.sourceRuns = true
            case .destroyGuest:
                next.sourceRuns = false
                next.sourceHasCopy = false
            case .armDeadline, .disarmDeadline: break
            }
        }
        guard recorded == next.source.right else { throw Violation(description: "record lags") }
        return next
    }

    private func feedingDestination(_ event: DestinationMachine.Event) throws -> World? {
        var next = self
        guard let effects = try? next.destination.handle(event) else {
            guard next.destination == destination else {
                throw Violation(description: "\(event) refused")
            }
            return nil
        }
        var recorded = destination.right
        for effect in effects {
            switch effect {
            case .record(let right): recorded = right
            case .resumeGuest:
                guard case .owner = recorded else {
                    throw Violation(description: "destination resumes as \(recorded.word)")
                }
            case .destroyGuest:
                next.destinationRuns = false
                next.destinationHasCopy = false
            default: throw Violation(description: "\(effect) on the destination")
            }
        }
        guard recorded == next.destination.right else {
            throw Violation(description: "record lags")
        }
        return next
    }
}

// MARK: Promises

extension World {
    /// What must hold in every world.
    func check() throws {
        if sourceRuns && destinationRuns { throw Violation(description: "two guests run") }
        if source.right.mayRun && destination.right.mayRun {
            throw Violation(description: "both may run")
        }
        if sourceRuns && ranThere { throw Violation(description: "the guest runs back in time") }
        if sourceRuns && !source.right.mayRun { throw Violation(description: "runs without right") }
        if destinationRuns && !destination.right.mayRun {
            throw Violation(description: "runs there without right")
        }
        if destinationRuns && copyIsWrong { throw Violation(description: "wrong memory runs") }
        if case .gone = source.right, !destination.right.mayRun, !crashed {
            throw Violation(description: "gone, and nobody owns it")
        }
    }

    /// Whether exactly one guest runs.
    var isRunningOnce: Bool { sourceRuns != destinationRuns }
}
