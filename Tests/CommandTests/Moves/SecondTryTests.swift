import Handoff
import LinuxSystem
import MigrationModel
import Planner
import Testing

@testable import Commands
@testable import Orchestrator

/// Moves of a batch that fail in a way that may pass.
@Suite("Second tries of moves")
struct SecondTryTests {
    private static func move(_ guest: String, _ number: UInt64) throws -> MoveQueue.Move {
        MoveQueue.Move(
            guest: try VMName(guest), uuid: VMUUID(Bits128(high: 0, low: number)),
            from: try HostName("alpha"), to: try HostName("beta"))
    }

    private static func outcome(
        of move: MoveQueue.Move, _ code: ErrorCode, guest: GuestLocation.State? = .running,
        on host: String = "alpha", destination: ErrorCode? = nil
    ) -> MoveOutcome {
        MoveOutcome(
            vm: VMReference(name: move.guest), source: move.from, destination: move.to,
            total: .seconds(1),
            ending: .failed(LivemigError(code, "nothing sent for 10.0 s", at: "alpha: beta")),
            guest: guest.map {
                GuestLocation(vm: move.guest.text, state: $0, host: host, epoch: Epoch(1))
            },
            sides: .init(destination: destination.map { LivemigError($0, "x") }))
    }

    // Breaks when a stall on a loaded host is final, or when a move is tried again that was refused
    // or cancelled, or whose guest may be anywhere.
    @Test("Only silence is tried again, and only with the guest on its source")
    func rule() throws {
        let move = try Self.move("a", 1)
        for code in ErrorCode.allCases {
            let isDue = SecondTry.isDue(after: Self.outcome(of: move, code), of: move)
            let passing: [ErrorCode] = [.stall, .blackout, .disconnected, .connectDropped]
            #expect(isDue == passing.contains(code), "\(code)")
        }
        let others: [GuestLocation.State?] = [
            .paused, .ioError, .failed, .stopped, .saved, .inTransfer, .unknown, nil,
        ]
        for state in others {
            let outcome = Self.outcome(of: move, .stall, guest: state)
            #expect(!SecondTry.isDue(after: outcome, of: move), "\(state as Any)")
        }
        for host in ["beta", "gamma", ""] {
            let outcome = Self.outcome(of: move, .stall, on: host)
            #expect(!SecondTry.isDue(after: outcome, of: move), "\(host)")
        }
        let sides: [(ErrorCode, Bool)] = [
            (.cancelled, true), (.stall, true), (.migrationID, true), (.disk, false),
            (.destinationQEMU, false), (.memory, false),
        ]
        for (code, isDue) in sides {
            let outcome = Self.outcome(of: move, .disconnected, destination: code)
            #expect(SecondTry.isDue(after: outcome, of: move) == isDue, "\(code)")
        }
    }

    // Breaks when a move is made a third time, keeps its slots while it waits, or goes before others.
    @Test("A second try comes after the others, and its failure is the outcome")
    func order() throws {
        let moves = try (1...3).map { try Self.move("g\($0)", UInt64($0)) }
        let limits = MoveQueue.Limits(otherHosts: MoveLimits(outgoing: 1, incoming: 1))
        var course = Course(moves.map { MoveBatch.Item($0) }, limits)
        #expect(course.start() == [0])
        let stalled = Self.outcome(of: moves[0], .stall)
        #expect(course.isSecondTryDue(after: stalled, of: 0))
        #expect(course.putOff(0, after: stalled) == [1])
        #expect(course.tryAgain(0) == [])
        #expect(course.waiting.map(\.move.guest.text) == ["g3", "g1"])
        #expect(course.ended(1, Self.outcome(of: moves[1], .lock)) == [2])
        #expect(course.ended(2, Self.outcome(of: moves[2], .lock)) == [0])
        #expect(!course.isOver)
        let broken = Self.outcome(of: moves[0], .disconnected)
        #expect(!course.isSecondTryDue(after: broken, of: 0))
        #expect(course.ended(0, broken) == [])
        #expect(course.isOver)
        #expect(course.results.map { $0.error?.code } == [.disconnected, .lock, .lock])
    }

    // Breaks when an interruption during the pause begins the move again, or loses its first failure,
    // or when a move is put off that fails after an interruption.
    @Test(
        "An interruption ends what waits for its second try with its failure",
        arguments: [true, false])
    func hold(_ isQueued: Bool) throws {
        let moves = try (1...2).map { try Self.move("g\($0)", UInt64($0)) }
        let limits = MoveQueue.Limits(otherHosts: MoveLimits(outgoing: 1, incoming: 1))
        var course = Course(moves.map { MoveBatch.Item($0) }, limits)
        #expect(course.start() == [0])
        #expect(course.putOff(0, after: Self.outcome(of: moves[0], .stall)) == [1])
        if isQueued { #expect(course.tryAgain(0) == []) }
        #expect(course.hold().map(\.index) == [0])
        #expect(course.tryAgain(0) == [])
        let late = Self.outcome(of: moves[1], .stall)
        #expect(!course.isSecondTryDue(after: late, of: 1))
        #expect(course.ended(1, late) == [])
        #expect(course.isOver)
        #expect(course.results.map { $0.error?.code } == [.stall, .stall])
        #expect(course.takeNotBegun().isEmpty)
    }

    // Breaks when nobody is told that a move is made again and why, or it counts as failed meanwhile.
    @Test("A second try is announced, with its reason")
    func words() throws {
        let move = try Self.move("web1", 1)
        let now = MonotonicTime.now
        var overview = BatchOverview([move], title: "drain alpha", form: .json, at: now)
        _ = overview.take(.began(0, MoveTemplate().request(for: move)), at: now)
        let stalled = Self.outcome(of: move, .stall)
        let lines = overview.take(.putOff(0, stalled, pause: SecondTry.pause), at: now)
        #expect(overview.picture.rows[0].state.isWaiting)
        var (messages, documents): ([String], [String]) = ([], [])
        for line in lines {
            switch line {
            case .message(let text): messages.append(text)
            case .json(let text): documents.append(text)
            case .failure(let error, _): Issue.record("\(error)")
            }
        }
        #expect(
            messages == [
                "livemig: web1 still runs on alpha, and is moved again in 5.0 s, after E-STALL: "
                    + "nothing sent for 10.0 s; alpha: beta"
            ])
        let document = try #require(documents.first)
        for part in [
            #""event":"retry""#, #""code":"E-STALL""#, #""pause_ms":5000"#, #""vm":"web1""#,
        ] {
            #expect(document.contains(part), "\(part): \(document)")
        }
    }
}
