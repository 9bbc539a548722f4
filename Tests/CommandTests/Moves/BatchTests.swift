import LinuxSystem
import MigrationModel
import Planner
import Testing

@testable import Commands
@testable import Orchestrator

/// Several moves at a time, as far as no host is needed.
@Suite("Batches of moves")
struct BatchTests {
    private static func move(
        _ guest: String, _ number: UInt64, from: String = "alpha", to: String = "beta",
        priority: Priority = .medium
    ) throws -> MoveQueue.Move {
        MoveQueue.Move(
            guest: try VMName(guest), uuid: VMUUID(Bits128(high: 0, low: number)),
            from: try HostName(from), to: try HostName(to), priority: priority)
    }

    private static func outcome(
        of move: MoveQueue.Move, _ error: LivemigError? = nil
    ) -> MoveOutcome {
        MoveOutcome(
            vm: VMReference(name: move.guest), source: move.from, destination: move.to,
            total: .seconds(1),
            ending: error.map { .failed($0) }
                ?? .moved(report(), incomplete: nil))
    }

    // Breaks when more begin than the limits allow, in another order than that of priorities, or
    // when a failure keeps others from beginning.
    @Test("Moves begin as others end, whatever their end")
    func limits() throws {
        let moves = [
            try Self.move("a", 1), try Self.move("b", 2),
            try Self.move("c", 3, priority: .high),
        ]
        let limits = MoveQueue.Limits(otherHosts: MoveLimits(outgoing: 1, incoming: 1))
        var course = Course(moves.map { MoveBatch.Item($0) }, limits)
        #expect(course.start() == [0])
        #expect(course.waiting.map(\.move.guest.text) == ["c", "b"])
        #expect(course.ended(0, Self.outcome(of: moves[0], LivemigError(.stall, "x"))) == [2])
        #expect(course.ended(2, Self.outcome(of: moves[2])) == [1])
        #expect(!course.isOver)
        #expect(course.ended(1, Self.outcome(of: moves[1])) == [])
        #expect(course.isOver)
        #expect(course.results.map { $0.error?.code } == [.stall, nil, nil])
    }

    // Breaks when moves begin although the end was asked for before, such as while a hook ran.
    @Test("A batch that was interrupted before begins no move")
    func interruptedBefore() async throws {
        let moves = [try Self.move("a", 1), try Self.move("b", 2)]
        let batch = MoveBatch(
            moves.map { MoveBatch.Item($0) }, limits: MoveQueue.Limits(),
            template: MoveTemplate(),
            control: HostControl(HostDirectory([]), AgentDialer(home: "/")))
        batch.interrupt()
        let results = await batch.run()
        #expect(results.compactMap { $0.error?.code } == [.cancelled, .cancelled])
        for result in results {
            guard case .notBegun = result else {
                Issue.record("begun: \(result)")
                continue
            }
        }
    }

    // Breaks when a move begins before the one that makes room for it has succeeded, or when the
    // two moves of a guest that goes by way of a third host are at once in the queue.
    @Test("A move waits for those before it, and is not begun when one of them failed")
    func order() throws {
        let moves = [
            try Self.move("a", 1, to: "gamma"), try Self.move("b", 2),
            try Self.move("a", 1, from: "gamma", to: "beta"),
        ]
        let items = [
            MoveBatch.Item(moves[0]), MoveBatch.Item(moves[1], after: [0]),
            MoveBatch.Item(moves[2], after: [0, 1]),
        ]
        var course = Course(items, MoveQueue.Limits())
        #expect(course.start() == [0])
        #expect(course.ended(0, Self.outcome(of: moves[0])) == [1])
        #expect(course.ended(1, Self.outcome(of: moves[1], LivemigError(.lock, "x"))) == [])
        #expect(course.isOver)
        #expect(course.results.map { $0.error?.code } == [nil, .lock, .lock])
        #expect(course.results[2].error?.what.contains("move of b before it") == true)
    }

    // Breaks when an interruption begins a move, or ends the batch before the moves under way have.
    @Test("What has not begun when the batch is held does not begin")
    func hold() throws {
        let moves = try (1...3).map { try Self.move("g\($0)", UInt64($0)) }
        let limits = MoveQueue.Limits(otherHosts: MoveLimits(outgoing: 1, incoming: 1))
        var course = Course(moves.map { MoveBatch.Item($0) }, limits)
        #expect(course.start() == [0])
        course.hold()
        #expect(!course.isOver)
        #expect(course.ended(0, Self.outcome(of: moves[0])) == [])
        #expect(course.isOver)
        #expect(course.results.map { $0.error?.code } == [nil, .cancelled, .cancelled])
        #expect(course.takeNotBegun().map(\.0) == [1, 2])
        #expect(course.takeNotBegun().isEmpty)
    }

    private static func settings(coming: Int, of most: Int) -> HostSettings {
        var policy = HostPolicy()
        policy.liveMoves = most
        return HostSettings(
            policy: policy, memoryReserve: ByteCount(0), outgoing: 0, incoming: coming,
            promised: ByteCount(0), addresses: [])
    }

    // Breaks when a move that was refused for slots ends, is tried again blindly or for ever, or when
    // another refusal is tried again.
    @Test("A move that is refused for slots waits for those of others")
    func others() throws {
        let moves = [try Self.move("a", 1), try Self.move("b", 2, to: "gamma")]
        var course = Course(moves.map { MoveBatch.Item($0) }, .init(), patience: .seconds(60))
        #expect(course.start() == [0, 1])
        let busy = Self.outcome(of: moves[0], LivemigError(.busy, "another migration holds the VM"))
        #expect(course.slot(refusing: busy, of: 0) == nil)
        let full = Self.outcome(of: moves[0], LivemigError(.busy, "full", fullSlots: .incoming))
        let slot = try #require(course.slot(refusing: full, of: 0))
        #expect(slot == .into(moves[0].to))
        #expect(course.refused(0, for: slot) == [])
        #expect(course.ended(1, Self.outcome(of: moves[1])) == [])
        #expect(course.hostsToAsk == [moves[0].to])
        let now = MonotonicTime.now
        #expect(course.observed([:], at: now) == [])
        #expect(
            course.observed([moves[0].to: Self.settings(coming: 2, of: 2)], at: now + .seconds(59))
                == [])
        #expect(!course.isOver)
        #expect(
            course.observed([moves[0].to: Self.settings(coming: 1, of: 2)], at: now + .seconds(59))
                == [0])
        #expect(course.hostsToAsk == [])
        // That it was refused once more does not begin the time anew.
        #expect(course.refused(0, for: slot) == [])
        #expect(course.observed([:], at: now + .seconds(60)) == [])
        #expect(course.isOver)
        let (index, error) = try #require(course.takeNotBegun().first)
        #expect(index == 0)
        #expect(error.code == .busy)
        #expect(error.what.contains("moves of others on beta (2 of 2 coming)"), "\(error)")
        #expect(course.results[1].error == nil)
    }

    // Breaks when an interruption leaves a move waiting for others, or one is tried again after it.
    @Test("An interruption ends the wait for moves of others")
    func heldWhileWaitingForOthers() throws {
        let moves = [try Self.move("a", 1), try Self.move("b", 2, to: "gamma")]
        var course = Course(moves.map { MoveBatch.Item($0) }, MoveQueue.Limits())
        _ = course.start()
        let full = LivemigError(.busy, "full", fullSlots: .outgoing)
        let slot = try #require(
            course.slot(refusing: Self.outcome(of: moves[0], full), of: 0))
        _ = course.refused(0, for: slot)
        course.hold()
        #expect(course.hostsToAsk == [])
        #expect(course.takeNotBegun().map(\.1.code) == [.cancelled])
        #expect(course.slot(refusing: Self.outcome(of: moves[1], full), of: 1) == nil)
        #expect(course.ended(1, Self.outcome(of: moves[1], full)) == [])
        #expect(course.isOver)
    }

    // Breaks when the wait for moves of others is not said, or a picture shows such a move as failed.
    @Test("Who waits for moves of others says so")
    func othersInWords() throws {
        let moves = [try Self.move("a", 1)]
        var course = Course([MoveBatch.Item(moves[0])], MoveQueue.Limits())
        let now = MonotonicTime.now
        for form in [BatchOverview.Form.lines, .picture] {
            var overview = BatchOverview(moves, title: "drain alpha", form: form, at: now)
            _ = course.start()
            let request = MoveTemplate().request(for: moves[0])
            _ = overview.take(.began(0, request), at: now)
            #expect(overview.picture.rows[0].state.isMoving)
            let full = Self.outcome(of: moves[0], LivemigError(.busy, "x", fullSlots: .incoming))
            _ = course.refused(0, for: .into(moves[0].to))
            #expect(messages(overview.take(.refused(0, full), at: now)) == [])
            let lines = messages(overview.take(.waiting(course.waiting), at: now))
            let words = "moves of others on beta (2 of 2 coming)"
            #expect(lines == (form == .lines ? ["1 VM waits for \(words)"] : []))
            guard case .waiting(let shown) = overview.picture.rows[0].state else {
                Issue.record("\(overview.picture.rows[0].state)")
                continue
            }
            #expect(shown == "for \(words)")
            #expect(messages(overview.take(.waiting(course.waiting), at: now)) == [])
            #expect(course.observed([moves[0].to: Self.settings(coming: 0, of: 2)], at: now) == [0])
        }
    }

    // Breaks when a batch of nothing waits for something.
    @Test("A batch of nothing is over")
    func nothing() {
        var course = Course([], MoveQueue.Limits())
        #expect(course.start() == [])
        #expect(course.isOver)
    }

    // Breaks when one who waits does not say for what, or says it again and again.
    @Test("Those who wait say for what, once")
    func waiting() throws {
        let moves = try (1...3).map { try Self.move("g\($0)", UInt64($0)) }
        let limits = MoveQueue.Limits(otherHosts: MoveLimits(outgoing: 1, incoming: 2))
        var course = Course(moves.map { MoveBatch.Item($0) }, limits)
        _ = course.start()
        let now = MonotonicTime.now
        var overview = BatchOverview(moves, title: "drain alpha", form: .lines, at: now)
        let lines = overview.take(.waiting(course.waiting), at: now)
        #expect(messages(lines) == ["2 VMs wait for a free slot out of alpha (1 of 1 moving)"])
        let json = lines.compactMap { if case .json(let text) = $0 { text } else { nil } }
        #expect(json.count == 2)
        #expect(json.first?.contains(#""waits_for":["a free slot out of alpha"#) == true)
        #expect(messages(overview.take(.waiting(course.waiting), at: now)) == [])
    }

    // Breaks when what a terminal's picture shows is not said where there is none, or when it is said
    // twice where there is one.
    @Test("Without a terminal beginnings, rounds, ends and the time left are lines")
    func lines() throws {
        let moves = [try Self.move("a", 1), try Self.move("b", 2), try Self.move("c", 3)]
        let start = MonotonicTime.now
        let round = RoundReport(
            number: 1, dirtyPages: 1024, pages: PageCounts(), wireBytes: 1 << 20,
            duration: .seconds(1), dirtiedPages: 256)
        let template = MoveTemplate()
        func events(_ index: Int) -> [MoveBatch.Event] {
            [
                .began(index, template.request(for: moves[index])),
                .move(index, .round(round)), .ended(index, Self.outcome(of: moves[index])),
            ]
        }
        for form in [BatchOverview.Form.lines, .picture] {
            var overview = BatchOverview(moves, title: "drain alpha", form: form, at: start)
            var told: [String] = []
            for event in events(0) + [.began(2, template.request(for: moves[2]))] + events(1) {
                told += messages(overview.take(event, at: start))
            }
            guard form == .lines else {
                #expect(told == [])
                continue
            }
            #expect(
                told == [
                    "a: alpha → beta begins",
                    "alpha: a round 1  4.0 MiB dirty     → 1.0 MiB sent  1.0 MiB/s dirtied",
                    "a: alpha → beta  blackout 24 ms, 1.0 s  (1 of 3)", "c: alpha → beta begins",
                    "b: alpha → beta begins",
                    "alpha: b round 1  4.0 MiB dirty     → 1.0 MiB sent  1.0 MiB/s dirtied",
                    "b: alpha → beta  blackout 24 ms, 1.0 s  (2 of 3), 1 s left",
                ])
        }
    }

    private func messages(_ lines: [BatchOverview.Line]) -> [String] {
        lines.compactMap { if case .message(let text) = $0 { text } else { nil } }
    }
}
