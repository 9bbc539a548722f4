import MigrationModel
import Ownership
import Testing

@Suite("What a guardian decides by itself")
struct GuardianTests {
    static let attempt = World.attempts[0]
    static let later = World.attempts[1]
    static let ready = Right.ready(attempt, digest: World.digest)

    // Breaks when: a guest that arrived paused is let run by the next move that is given up.
    @Test func aGuestThatArrivedPausedStaysSo() throws {
        var machine = GuardianMachine(right: Self.ready, guest: .stopped)
        let token = DestinationMachine.Event.token(
            Self.attempt, digest: World.digest, resume: false)
        #expect(try !machine.handle(.destination(token)).contains(.resumeGuest))
        #expect(machine.guest == .paused)
        _ = try machine.handle(.source(.begin(Self.later)))
        #expect(try machine.handle(.source(.stop)) == [.armDeadline])
        #expect(try !machine.handle(.deadlinePassed).contains(.resumeGuest))
        #expect(machine.right == .owner(Self.later.epoch, nil))
    }

    // Breaks when: a host without a whole copy takes the right of a fenced peer, or one that has
    // the right already takes it again.
    @Test func onlyAWholeCopyTakesTheRightOfAFencedPeer() throws {
        for right in [
            .none, .gone(Self.attempt), .armed(Self.attempt), .aborted(Self.attempt),
        ] as [Right] {
            var machine = GuardianMachine(right: right, guest: .stopped)
            let error = #expect(throws: LivemigError.self) { try machine.handle(.peerFenced) }
            #expect(error?.code == .vmState)
            #expect(machine.right == right)
        }
        for right in [.owner(Epoch(3), nil), .intent(Self.attempt)] as [Right] {
            var machine = GuardianMachine(right: right, guest: .running)
            #expect(try machine.handle(.peerFenced) == [])
            #expect(machine.right == right)
        }
    }

    // Breaks when: an epoch is raised beyond its end, which would begin again at 0 and let old
    // messages fit.
    @Test func theLastEpochIsNotRaised() {
        let last = Right.ready(
            Attempt(migration: Self.attempt.migration, epoch: Epoch(.max)), digest: World.digest)
        var machine = GuardianMachine(right: last, guest: .stopped)
        let error = #expect(throws: LivemigError.self) { try machine.handle(.peerFenced) }
        #expect(error?.code == .range)
        #expect(machine.right == last)
    }

    // Breaks when: giving an attempt up changes a record that speaks of another at its epoch.
    @Test func anotherAttemptAtTheSameEpochIsGivenUpAlready() throws {
        let twin = Attempt(migration: Self.later.migration, epoch: Self.attempt.epoch)
        var machine = DestinationMachine(right: .aborted(Self.attempt))
        #expect(try machine.handle(.discard(twin)) == [])
        #expect(machine.right == .aborted(Self.attempt))
    }

    // Breaks when: two hosts that both may run the VM are left running.
    @Test func aContradictionFreezesBoth() {
        let view = HostView(right: .owner(Epoch(1), nil), guest: .running)
        #expect(
            Verdict.decide(source: view, destination: view).steps(source: view, destination: view)
                == [.source(.freeze), .destination(.freeze)])
    }

    // Breaks when: a source waits for the refusal of a destination that never heard of the attempt.
    @Test func anAttemptThatNeverCameNeedsNoRefusal() {
        let source = HostView(right: .intent(Self.attempt), guest: .running)
        let destination = HostView(right: .none, guest: .stopped)
        #expect(
            Verdict.decide(source: source, destination: destination)
                .steps(source: source, destination: destination) == [.source(.settle)])
    }

    // Breaks when: a verdict is acted on with views that it was not made of.
    @Test(
        "a verdict on other records plans nothing irreversible",
        arguments: [.handOverInFlight, .handOverRefused] as [Verdict])
    func otherViews(verdict: Verdict) {
        let owner = HostView(right: .owner(Epoch(1), nil), guest: .running)
        #expect(verdict.steps(source: owner, destination: nil) == [])
        #expect(
            Verdict.sourceOwnsInterrupted.steps(source: owner, destination: nil)
                == [.source(.settle)])
    }
}
