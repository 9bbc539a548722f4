import LinuxSystem
import MigrationModel
import Synchronization
import Testing

@testable import HostAgent

/// Which lanes a move has when a host does not take all connections.
@Suite struct LaneMusterTests {
    private static let refusal = LivemigError(.connectDropped, "dropped before login")

    /// What a muster has said at its end.
    private struct Word: Equatable, Sendable {
        let count: Int
        let code: ErrorCode?
    }

    // Breaks when a lane that is refused ends the others, or leaves a gap in their numbers.
    @Test func thoseThatStandGoOn() throws {
        let words = Mutex<[Word]>([])
        let muster = LaneMuster(of: 3) { count, reason in
            words.withLock { $0.append(Word(count: count, code: reason?.code)) }
        }
        let others = [1, 3].map { lane in WorkerThread("lane") { muster.arrive(lane) } }
        #expect(!muster.miss(Self.refusal))
        let places = try others.compactMap { try $0.join() }
        #expect(Set(places.map(\.number)) == [1, 2] && places.allSatisfy { $0.count == 2 })
        #expect(words.withLock { $0 } == [Word(count: 2, code: .connectDropped)])
    }

    // Breaks when a lane whose connection hangs holds the others up, or joins after them.
    @Test func latecomersAreNotWaitedFor() {
        let muster = LaneMuster(of: 2, patience: .milliseconds(50)) { count, _ in
            #expect(count == 1)
        }
        #expect(muster.arrive(2) == LaneMuster.Place(number: 1, count: 1))
        #expect(muster.arrive(1) == nil)
    }

    // Breaks when a move goes on without any lane, or a wrong key counts as a limit.
    @Test func noneIsAnError() {
        let muster = LaneMuster(of: 2) { _, _ in Issue.record("settled without lanes") }
        #expect(!muster.miss(Self.refusal))
        #expect(muster.miss(Self.refusal))
        #expect(LaneMuster.isOfLimit(Self.refusal))
        #expect(!LaneMuster.isOfLimit(LivemigError(.authentication, "refused")))
        #expect(!LaneMuster.isOfLimit(LivemigError(.hostKeyChanged, "changed")))
    }
}
