import MigrationModel
import TestSupport
import Testing

@testable import Planner

@Suite("The queue of moves")
struct MoveQueueTests {
    private static func move(
        _ name: String, _ from: String, _ to: String, priority: Priority = .medium,
        network: String? = nil, withStorage: Bool = false
    ) throws -> MoveQueue.Move {
        MoveQueue.Move(
            guest: try VMName(name), uuid: Fixture.uuid(name), from: try HostName(from),
            to: try HostName(to), network: network, withStorage: withStorage, priority: priority)
    }

    private static func names(_ actions: [MoveQueue.Action]) -> [String] {
        actions.map { action in
            switch action {
            case .start(let move): "start \(move.guest)"
            case .cancel(let move): "cancel \(move.guest)"
            }
        }
    }

    // Broken by: more than two moves away from a host, or one that does not say what it waits for.
    @Test func waitingForASlot() throws {
        var queue = MoveQueue()
        #expect(Self.names(try queue.submit(Self.move("a", "alpha", "beta"))) == ["start a"])
        #expect(Self.names(try queue.submit(Self.move("b", "alpha", "gamma"))) == ["start b"])
        #expect(try queue.submit(Self.move("c", "alpha", "beta")).isEmpty)
        #expect(try queue.submit(Self.move("d", "alpha", "beta", priority: .high)).isEmpty)
        #expect(
            queue.waiting.map { "\($0.position) \($0.move.guest) \($0)" } == [
                "1 d waits for a free slot out of alpha (2 of 2 moving)",
                "2 c waits for a free slot out of alpha (2 of 2 moving)",
            ])
        queue.started(Fixture.uuid("a"))
        #expect(queue.active.map(\.isStarted) == [true, false])
        let error = LivemigError(.stall, "silence")
        #expect(Self.names(queue.finished(Fixture.uuid("a"), .failed(error))) == ["start d"])
        #expect(Self.names(queue.finished(Fixture.uuid("b"), .succeeded)) == ["start c"])
        #expect(queue.finished(Fixture.uuid("b"), .succeeded).isEmpty)
        #expect(queue.ended.map(\.outcome) == [.failed(error), .succeeded])
    }

    // Broken by: words for the other kinds of slot that name the wrong thing.
    @Test func waitsInWords() throws {
        let limits = MoveQueue.Limits(
            hosts: [try HostName("beta"): MoveLimits(outgoing: 9, incoming: 1, storage: 1)],
            otherHosts: MoveLimits(outgoing: 9, incoming: 9, storage: 9),
            networks: ["10.7.0.0/24": 1])
        var queue = MoveQueue(limits: limits)
        _ = try queue.submit(Self.move("a", "alpha", "beta", network: "10.7.0.0/24"))
        _ = try queue.submit(Self.move("b", "alpha", "beta", network: "10.7.0.0/24"))
        _ = try queue.submit(Self.move("c", "beta", "alpha", withStorage: true))
        _ = try queue.submit(Self.move("d", "alpha", "beta", withStorage: true))
        queue.hold()
        #expect(
            queue.waiting.map(\.description) == [
                "waits for the queue to go on, a free slot into beta (1 of 1 moving) and a free "
                    + "slot on 10.7.0.0/24 (1 of 1 moving)",
                "waits for the queue to go on and a free storage slot of beta (1 of 1 moving)",
            ])
        #expect(queue.finished(Fixture.uuid("a"), .succeeded).isEmpty, "the queue is held")
        #expect(Self.names(queue.resume()) == ["start b"])
    }

    // Broken by: the same guest moving twice at once, or a move to where it is.
    @Test func refusals() throws {
        var queue = MoveQueue()
        _ = try queue.submit(Self.move("a", "alpha", "beta"))
        let busy = #expect(throws: LivemigError.self) {
            try queue.submit(Self.move("a", "beta", "gamma"))
        }
        #expect(busy?.code == .busy)
        let same = #expect(throws: LivemigError.self) {
            try queue.submit(Self.move("b", "beta", "beta"))
        }
        #expect(same?.code == .sameHost)
        _ = queue.finished(Fixture.uuid("a"), .succeeded)
        #expect(try queue.submit(Self.move("a", "beta", "alpha")).count == 1)
    }

    // Broken by: a cancelled move that is started, one that runs forgotten, or one cancelled twice.
    @Test func cancelling() throws {
        var queue = MoveQueue(limits: .init(otherHosts: MoveLimits(outgoing: 1)))
        _ = try queue.submit(Self.move("a", "alpha", "beta"))
        _ = try queue.submit(Self.move("b", "alpha", "beta"))
        _ = try queue.submit(Self.move("c", "alpha", "beta"))
        #expect(queue.cancel(Fixture.uuid("b")).isEmpty)
        #expect(Self.names(queue.cancel(Fixture.uuid("a"))) == ["cancel a"])
        #expect(queue.cancel(Fixture.uuid("a")).isEmpty)
        #expect(queue.active.map(\.move.guest.text) == ["a"], "its slots are taken until it ends")
        let error = LivemigError(.cancelled, "cancelled")
        #expect(Self.names(queue.finished(Fixture.uuid("a"), .failed(error))) == ["start c"])
        #expect(queue.ended.map(\.move.guest.text) == ["b", "a"])
    }

    // Broken by: a move that waits for two hosts and sees each of its slots go to later moves, for
    // ever; or one that keeps moves of other hosts waiting.
    @Test func noStarvation() throws {
        let one = MoveLimits(outgoing: 1, incoming: 1, storage: 1)
        var queue = MoveQueue(limits: .init(otherHosts: one))
        // The patient one needs alpha and beta; the stream keeps one of the two busy at any time.
        _ = try queue.submit(Self.move("out0", "alpha", "x"))
        _ = try queue.submit(Self.move("patient", "alpha", "beta", priority: .high))
        var started = false
        for number in 1...20 {
            _ = try queue.submit(Self.move("in\(number)", "y", "beta"))
            _ = try queue.submit(Self.move("out\(number)", "alpha", "x"))
            _ = try queue.submit(Self.move("other\(number)", "v", "w"))
            let others = queue.finished(Fixture.uuid("other\(number)"), .succeeded)
            #expect(others.isEmpty && !queue.contains(Fixture.uuid("other\(number)")))
            var actions = queue.finished(Fixture.uuid("out\(number - 1)"), .succeeded)
            actions += queue.finished(Fixture.uuid("in\(number)"), .succeeded)
            if Self.names(actions).contains("start patient") {
                started = true
                #expect(number <= MoveQueue.patience + 1)
                break
            }
        }
        #expect(started)
    }

    // Broken by: words that do not say for whom a free slot is kept.
    @Test func aSlotThatIsKept() throws {
        let one = MoveLimits(outgoing: 1, incoming: 1, storage: 1)
        var queue = MoveQueue(limits: .init(otherHosts: one))
        _ = try queue.submit(Self.move("long", "alpha", "x"))
        _ = try queue.submit(Self.move("patient", "alpha", "beta"))
        for number in 1...MoveQueue.patience {
            #expect(try queue.submit(Self.move("in\(number)", "y", "beta")).count == 1)
            _ = queue.finished(Fixture.uuid("in\(number)"), .succeeded)
        }
        #expect(try queue.submit(Self.move("late", "y", "beta")).isEmpty)
        #expect(
            queue.waiting.map(\.description) == [
                "waits for a free slot out of alpha (1 of 1 moving)",
                "waits for patient to get the next slot into beta",
            ])
        #expect(
            Self.names(queue.finished(Fixture.uuid("long"), .succeeded)) == ["start patient"])
    }

    // Broken by: a limit that only one host states and that is lost, the larger of two, or moves
    // under way that are not counted.
    @Test func limitsOfAFleet() throws {
        var (alpha, beta) = (try Fixture.host("alpha", 1), try Fixture.host("beta", 1))
        let (fast, slow) = (try Subnet("10.1.0.0/24"), try Subnet("10.2.0.0/24"))
        alpha.networks = [.init(fast, moves: 3), .init(slow)]
        beta.networks = [.init(slow), .init(fast, priority: 7, moves: 2)]
        beta.limits = MoveLimits(outgoing: 5, incoming: 4)
        (beta.leaving, beta.coming) = (1, 3)
        let limits = MoveQueue.Limits(of: Fleet(hosts: [alpha, beta], guests: []))
        #expect(limits.networks == ["10.1.0.0/24": 2])
        #expect(limits.limit(of: .network("10.2.0.0/24")) == .max)
        #expect(limits.limit(of: .into(beta.name)) == 4)
        #expect(limits.others == [.out(beta.name): 1, .into(beta.name): 3])
        let left = limits.besideOthers
        #expect(left.limit(of: .out(beta.name)) == 4)
        #expect(left.limit(of: .into(beta.name)) == 1)
        #expect(left.others.isEmpty)
    }

    // Broken by: a move that was refused and is lost, started again at once, or put behind others;
    // words that do not say for whom it waits; or a slot that is not used once it is free.
    @Test func movesOfOthers() throws {
        let beta = try HostName("beta")
        var queue = MoveQueue()
        #expect(Self.names(try queue.submit(Self.move("a", "alpha", "beta"))) == ["start a"])
        #expect(Self.names(try queue.submit(Self.move("b", "alpha", "beta"))) == ["start b"])
        #expect(try queue.submit(Self.move("c", "alpha", "beta")).isEmpty)
        #expect(queue.refused(Fixture.uuid("a"), for: .into(beta)).isEmpty)
        #expect(
            queue.waiting.map { "\($0.move.guest) \($0)" } == [
                "a waits for a free slot into beta (1 of 2 moving) and moves of others on beta "
                    + "(1 of 2 coming)",
                "c waits for a free slot into beta (1 of 2 moving) and moves of others on beta "
                    + "(1 of 2 coming)",
            ])
        #expect(queue.waiting.allSatisfy { !$0.isForOthersOnly })
        // The slot of its own that ends is free.
        #expect(Self.names(queue.finished(Fixture.uuid("b"), .succeeded)) == ["start a"])
        #expect(queue.refused(Fixture.uuid("a"), for: .into(beta)).isEmpty)
        #expect(
            queue.waiting.first?.description == "waits for moves of others on beta (2 of 2 coming)")
        #expect(queue.waiting.first?.slotsOfOthers == [.into(beta)])
        #expect(queue.waiting.allSatisfy { $0.isForOthersOnly })
        #expect(queue.contains(Fixture.uuid("a")))
        #expect(queue.observed(.into(beta), moving: 2, of: 2).isEmpty)
        #expect(Self.names(queue.observed(.into(beta), moving: 1, of: 2)) == ["start a"])
        // Its own move is not one of others.
        #expect(queue.observed(.into(beta), moving: 2, of: 2).isEmpty)
        #expect(Self.names(queue.observed(.into(beta), moving: 1, of: 2)) == ["start c"])
        #expect(queue.refused(Fixture.uuid("x"), for: .into(beta)).isEmpty)
        #expect(queue.observed(.out(beta), moving: 9, of: 1).isEmpty, "nobody needs that slot")
    }

    // Broken by: slots that others had from the start and that are taken all the same, or a limit
    // that is raised meanwhile and not heeded.
    @Test func othersFromTheStart() throws {
        let alpha = try HostName("alpha")
        var queue = MoveQueue(limits: .init(others: [.out(alpha): 2]))
        #expect(try queue.submit(Self.move("a", "alpha", "beta")).isEmpty)
        #expect(
            queue.waiting.map(\.description) == [
                "waits for moves of others on alpha (2 of 2 leaving)"
            ])
        #expect(Self.names(queue.observed(.out(alpha), moving: 2, of: 3)) == ["start a"])
        _ = queue.cancel(Fixture.uuid("a"))
        #expect(queue.refused(Fixture.uuid("a"), for: .out(alpha)).isEmpty)
        #expect(queue.isEmpty, "a cancelled move does not wait again")
        #expect(queue.ended.map(\.outcome) == [.cancelled])
    }

    /// Slots in use, counted from the moves that run.
    private static func use(_ queue: MoveQueue) -> [MoveQueue.Slot: Int] {
        var use: [MoveQueue.Slot: Int] = [:]
        for move in queue.active.map(\.move) {
            let slots: [MoveQueue.Slot] =
                move.withStorage
                ? [.storage(move.from), .storage(move.to)] : [.out(move.from), .into(move.to)]
            for slot in slots + (move.network.map { [.network($0)] } ?? []) {
                use[slot, default: 0] += 1
            }
        }
        return use
    }

    // Broken by: a limit that is exceeded at any moment, a move that is neither started nor
    // cancelled, two of one route and priority that change their order, a queue that stops although
    // a move could start, or a waiting move without a reason.
    @Test("random runs", arguments: 1...150 as ClosedRange<UInt64>)
    func property(seed: UInt64) throws {
        var random = Seeded(seed)
        let hosts = try (0..<(2 + random.below(4))).map { try HostName("h\($0)") }
        let limits = MoveQueue.Limits(
            hosts: [hosts[0]: MoveLimits(outgoing: 1, incoming: 3, storage: 1)],
            networks: ["n0": 2])
        var queue = MoveQueue(limits: limits)
        var submitted: [MoveQueue.Move] = []
        var started: [MoveQueue.Move] = []
        func take(_ actions: [MoveQueue.Action]) {
            for case .start(let move) in actions { started.append(move) }
        }
        for event in 0..<200 {
            switch random.below(10) {
            case 0..<5 where event < 150:
                let pair = hosts.shuffled(using: &random)
                let move = MoveQueue.Move(
                    guest: try VMName("g\(event)"), uuid: Fixture.uuid("g\(event)"), from: pair[0],
                    to: pair[1], network: [nil, "n0", "n1"][random.below(3)],
                    withStorage: random.below(5) == 0,
                    priority: [.low, .medium, .high][random.below(3)])
                submitted.append(move)
                take(try queue.submit(move))
            case 5 where !submitted.isEmpty:
                take(queue.cancel(submitted[random.below(submitted.count)].uuid))
            case 6 where random.below(3) == 0: queue.hold()
            case 6: take(queue.resume())
            default:
                guard let active = queue.active.randomElement(using: &random) else { continue }
                take(queue.finished(active.move.uuid, .succeeded))
            }
            for (slot, count) in Self.use(queue) { #expect(count <= limits.limit(of: slot)) }
            #expect(queue.waiting.allSatisfy { !$0.reasons.isEmpty })
        }
        take(queue.resume())
        while let active = queue.active.randomElement(using: &random) {
            take(queue.finished(active.move.uuid, .failed(LivemigError(.io, "failed"))))
        }
        #expect(queue.isEmpty, "\(queue.waiting.map(\.description))")
        #expect(Set(queue.ended.map(\.move)) == Set(submitted))
        for (index, move) in started.enumerated() {
            for later in started[index...] where later.route == move.route {
                let before = submitted.firstIndex(of: move) ?? 0
                #expect(before <= submitted.firstIndex(of: later) ?? 0, "first in, first out")
            }
        }
    }
}

extension MoveQueue.Move {
    /// What two moves have in common that need the same slots with the same right.
    fileprivate var route: [String] {
        [from.text, to.text, network ?? "", "\(withStorage)", "\(priority)"]
    }
}
