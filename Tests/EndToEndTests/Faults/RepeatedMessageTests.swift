import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Messages of the hand-over between real agents that arrive damaged, not at all, twice, or in an
/// attempt that they are not of.
@Suite(.serialized) struct RepeatedMessageTests {
    /// How a move ends, and where the guest is once it is recovered.
    private enum End: Hashable {
        case moved
        /// Given up, the guest having stayed on the source.
        case stayed(ErrorCode)
        /// Not known to the source; the destination has the guest.
        case inTransfer
    }

    private struct Case {
        let name: String
        let type: FrameType
        let passage: FrameRelay.Passage
        let ends: Set<End>
    }

    /// Hosts, and one move after the other between them.
    private final class Bench {
        let shuttle: Shuttle

        init() throws { shuttle = try Shuttle() }

        /// Makes a move in which the first frame of a type is treated otherwise than the rest.
        func move(
            _ type: FrameType? = nil, _ passage: FrameRelay.Passage = .whole
        ) throws -> (End, FrameRelay) {
            var policy = MigrationPolicy()
            policy.path = .relay
            policy.lanes = 1
            let move = try shuttle.hosts.begin(
                from: shuttle.source, to: shuttle.destination, policy)
            let isDone = Once()
            let relay = try FrameRelay(move, from: shuttle.source, to: shuttle.destination) {
                $0.type == type && isDone.isFirst() ? passage : .whole
            }
            do {
                let report = try move.finish()
                try move.close()
                return (report.isRunning ? .moved : .inTransfer, relay)
            } catch let error as LivemigError {
                _ = try move.verdictOfDestination()
                guard error.code != .inTransfer else { return (.inTransfer, relay) }
                #expect(error.guest?.state == .running, "\(error)")
                return (.stayed(error.code), relay)
            }
        }

        /// Makes a move and insists on its end, on one whole guest where that end says, on nothing
        /// anywhere else, and on a next move that works.
        func expect(_ this: Case) throws {
            let (source, destination) = (shuttle.source, shuttle.destination)
            let (end, _) = try move(this.type, this.passage)
            #expect(this.ends.contains(end), "\(this.name) ended with \(end)")
            let recovery = try shuttle.recover()
            #expect(recovery.status == 0, "\(this.name): \(recovery)")
            var isOnSource = false
            if case .stayed = end { isOnSource = true }
            let (owner, other) = isOnSource ? (source, destination) : (destination, source)
            #expect(try shuttle.owner() === owner, "\(this.name)")
            shuttle.settle(on: owner)
            let faults =
                try shuttle.checkGuest(on: owner) + shuttle.checkNothingLeft(on: other)
                + shuttle.checkNextMove()
            #expect(faults == [], "\(this.name)")
        }
    }

    /// Says once that it is the first time.
    private final class Once: Sendable {
        private let count = Monitor(0)

        func isFirst() -> Bool {
            count.withLock { count in
                count += 1
                return count == 1
            }
        }
    }

    /// What a destination answers before the commit, in order.
    private static let answers: [FrameType] = [
        .laneAccepted, .machineReady, .clockReply, .roundPlaced, .ready,
    ]

    // Breaks when an answer of the destination that was damaged, lost or repeated on the way is
    // taken for whole, is taken for the destination's refusal, or costs more than the move.
    @Test(.timeLimit(.minutes(5))) func damagedAnswers() throws {
        let bench = try Bench()
        let refused: Set<End> = [.stayed(.wire), .stayed(.disconnected)]
        let damages: [FrameRelay.Passage] = [.flipped(bit: 77), .flipped(bit: -1), .lost, .twice]
        for damage in damages {
            for type in Self.answers {
                // A whole READY has come: the commit cannot know that the connection is broken.
                let isCommitted = type == .ready && damage == .twice
                try bench.expect(
                    Case(
                        name: "\(type) \(damage)", type: type, passage: damage,
                        ends: isCommitted ? [.inTransfer] : refused))
            }
            try bench.expect(
                Case(
                    name: "acknowledgement \(damage)", type: .ownerAcknowledged, passage: damage,
                    ends: damage == .twice ? [.moved] : [.inTransfer]))
        }
    }

    // Breaks when a message of the hand-over that is sent twice counts twice.
    @Test(.timeLimit(.minutes(2)), arguments: [FrameType.ready, .token, .ownerAcknowledged])
    func sentTwice(_ type: FrameType) throws {
        let bench = try Bench()
        try bench.expect(
            Case(name: "\(type)", type: type, passage: .sentTwice, ends: [.moved]))
    }

    // Breaks when a message of an earlier attempt gives the right away, takes it back, or ends a
    // hand-over that goes on.
    @Test(.timeLimit(.minutes(5))) func ofAnEarlierAttempt() throws {
        let bench = try Bench()
        let (end, before) = try bench.move()
        #expect(end == .moved)
        bench.shuttle.settle(on: bench.shuttle.destination)
        // The source hears no READY, gives up, and is told that the destination has, too.
        let (failed, relay) = try bench.move(.ready, .flipped(bit: 0))
        #expect(failed == .stayed(.wire))
        let aborted = try relay.wait(for: .aborted)
        let abort = try relay.wait(for: .abort)
        let (ready, final) = (try before.wait(for: .ready), try before.wait(for: .final))
        let token = try before.wait(for: .token)
        let acknowledged = try before.wait(for: .ownerAcknowledged)
        #expect(try bench.shuttle.recover().status == 0)
        let refused: Set<End> = [.stayed(.migrationID)]
        let cases = [
            Case(name: "READY", type: .ready, passage: .after(ready), ends: refused),
            Case(
                name: "acknowledgement before READY", type: .ready, passage: .after(acknowledged),
                ends: refused),
            Case(
                name: "acknowledgement", type: .ownerAcknowledged, passage: .after(acknowledged),
                ends: [.inTransfer]),
            Case(
                name: "acknowledgement alone", type: .ownerAcknowledged,
                passage: .replaced(by: acknowledged), ends: [.inTransfer]),
            Case(
                name: "refusal", type: .ownerAcknowledged, passage: .after(aborted),
                ends: [.inTransfer]),
            Case(
                name: "refusal before READY", type: .ready, passage: .after(aborted),
                ends: refused),
            Case(name: "token", type: .token, passage: .after(token), ends: refused),
            Case(name: "token before FINAL", type: .final, passage: .after(token), ends: refused),
            Case(name: "FINAL", type: .final, passage: .after(final), ends: refused),
            Case(name: "abort", type: .token, passage: .after(abort), ends: [.moved]),
        ]
        for this in cases { try bench.expect(this) }
    }
}
