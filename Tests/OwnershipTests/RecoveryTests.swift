import MigrationModel
import Testing

@testable import Ownership

@Suite("What recovery plans, and what a failure leaves")
struct RecoveryTests {
    static let attempt = World.attempts[0]
    static let later = World.attempts[1]
    static let released = Right.released(attempt, digest: World.digest)
    static let ready = Right.ready(attempt, digest: World.digest)
    static let owner = Right.owner(attempt.epoch, attempt.migration)
    static let forced = Right.owner(Epoch(1001), attempt.migration)

    // Breaks when: a source that could not write its release waits for ever, or takes the guest
    // back before the destination has refused it durably.
    @Test func anUnwrittenReleaseIsTakenBack() throws {
        let source = HostView(right: .intent(Self.attempt), guest: .paused)
        let destination = HostView(right: Self.ready, guest: .paused)
        let verdict = Verdict.decide(source: source, destination: destination)
        #expect(verdict == .sourceOwnsInterrupted)
        #expect(
            verdict.steps(source: source, destination: destination) == [
                .source(.settle), .destination(.discard(Self.attempt)),
                .source(.reclaim(Self.attempt)),
            ])
        var machine = GuardianMachine(right: Self.released, guest: .stopped)
        #expect(try machine.handle(.adopted(.stopped)) == [], "a release in doubt does nothing")
        let back = Right.owner(Self.attempt.epoch, nil)
        #expect(
            try machine.handle(.source(.refused(Self.attempt))) == [.record(back), .resumeGuest])
        #expect(try machine.handle(.source(.refused(Self.attempt))) == [], "repeated")
    }

    // Breaks when: a host that was fenced, and comes back with its old record, is called a
    // contradiction, or keeps the right to run the VM.
    @Test(
        "a fenced host that comes back gives the VM up",
        arguments: [.owner(Epoch(0), nil), .intent(attempt), owner] as [Right])
    func overruled(stale: Right) throws {
        let old = HostView(right: stale, guest: .stopped)
        let new = HostView(right: Self.forced, guest: .running)
        let finish = RecoveryStep.finish(
            Attempt(migration: Self.attempt.migration, epoch: Epoch(1001)))
        #expect(Verdict.decide(source: old, destination: new) == .runsOnDestination)
        #expect(
            Verdict.runsOnDestination.steps(source: old, destination: new)
                == [.source(finish), .destination(.settle)])
        #expect(Verdict.decide(source: new, destination: old) == .runsOnSource)
        #expect(
            Verdict.runsOnSource.steps(source: new, destination: old)
                == [.destination(finish), .source(.settle)])
        var machine = GuardianMachine(right: stale, guest: .running)
        let effects = try machine.handle(try finish.eventWithoutGuest())
        #expect(effects.suffix(2) == [.record(machine.right), .destroyGuest])
        #expect(machine.right.word == "GONE" && machine.right.epoch == Epoch(1001))
    }

    // Breaks when: attempts alone lead to what only an operator may decide.
    @Test func nearEpochsDoNotOverrule() {
        #expect(!Epoch(400).overrules(Epoch(0)))
        #expect(Epoch(1001).overrules(Epoch(1)))
        #expect(!Epoch(1).overrules(Epoch(1001)))
        let one = HostView(right: Self.owner, guest: .running)
        let other = HostView(right: .owner(Epoch(2), nil), guest: .running)
        #expect(Verdict.decide(source: one, destination: other) == .impossible)
        let released = HostView(
            right: .released(
                Attempt(migration: Self.attempt.migration, epoch: Epoch(1002)),
                digest: World.digest), guest: .paused)
        #expect(Verdict.decide(source: released, destination: one) == .sourceMustNotRun)
    }

    // Breaks when: a record that could not be written keeps an owner's guest paused, or lets
    // anything else go on.
    @Test(
        "a record that cannot be written",
        arguments: [
            (.intent(attempt), .owner(Epoch(1), nil), .goesOn),
            (released, .owner(Epoch(1), nil), .goesOn), (.intent(attempt), released, .counts),
            (.owner(Epoch(0), nil), .intent(attempt), .undone), (ready, owner, .undone),
            (ready, .aborted(attempt), .undone), (released, .gone(attempt), .undone),
        ] as [(Right, Right, GuardianMachine.RecordFailure)])
    func unwritten(before: Right, right: Right, failure: GuardianMachine.RecordFailure) {
        #expect(GuardianMachine.failure(toRecord: right, after: before) == failure)
    }

    // Breaks when: a destination whose guest may have run gives the right back.
    @Test(
        "only a refused lock proves that nothing ran",
        arguments: [.qmp, .guestDown, .fsync, .vmState, .disconnected, .migrationID] as [ErrorCode])
    func otherFailuresProveNothing(code: ErrorCode) {
        #expect(!GuardianMachine.provesThatNothingRan(LivemigError(code, "")))
        #expect(GuardianMachine.provesThatNothingRan(LivemigError(.lock, "")))
    }

    // Breaks when: a worker gives up a copy that may be the only good one, or keeps a useless one.
    @Test func farewells() {
        let gone = LivemigError(.disconnected, "")
        let broken = LivemigError(.verify, "")
        #expect(Farewell(after: gone, isOwner: false, isReady: true) == .keep)
        #expect(Farewell(after: gone, isOwner: false, isReady: false) == .discard)
        #expect(Farewell(after: broken, isOwner: true, isReady: true) == .keep)
        #expect(Farewell(after: broken, isOwner: false, isReady: true) == .discard)
    }

    // Breaks when: a destination is prepared beyond an attempt that can still commit.
    @Test func onlyAnOwnerHasPassedAnAttempt() {
        #expect(Right.owner(Epoch(1), nil).hasPassed(Self.attempt))
        for right in [.intent(Self.attempt), Self.released, .owner(Epoch(0), nil)] as [Right] {
            #expect(!right.hasPassed(Self.attempt))
        }
    }
}
