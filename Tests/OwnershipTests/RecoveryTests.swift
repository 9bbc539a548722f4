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

    // Breaks when: recovery makes an owner give the VM up by the mere word of another host, or the
    // older of two claims counts.
    @Test(
        "of two owners the later counts, and neither is told to give up",
        arguments: [.owner(Epoch(0), nil), .intent(attempt), owner] as [Right])
    func twoOwners(stale: Right) throws {
        let old = HostView(right: stale, guest: .running)
        for right in [Self.forced, .owner(Epoch(2), nil), .intent(World.attempts[1])] {
            let new = HostView(right: right, guest: .running)
            #expect(Verdict.decide(source: old, destination: new) == .runsOnDestination)
            #expect(
                Verdict.runsOnDestination.steps(source: old, destination: new)
                    == [.destination(.settle)])
            #expect(Verdict.decide(source: new, destination: old) == .runsOnSource)
            #expect(
                Verdict.runsOnSource.steps(source: new, destination: old) == [.source(.settle)])
        }
    }

    // Breaks when: an operator's word does not reach an owner, reaches one whose claim is later, or
    // a finished hand-over is enough to take a VM from an owner.
    @Test(
        "an owner gives up for an operator alone",
        arguments: [.owner(Epoch(0), nil), .intent(attempt), owner] as [Right])
    func overruled(stale: Right) throws {
        let old = HostView(right: stale, guest: .stopped)
        let new = HostView(right: Self.forced, guest: .running)
        let attempt = Attempt(migration: Self.attempt.migration, epoch: Epoch(1001))
        #expect(Verdict.overruling(old, for: new) == .overrule(attempt))
        #expect(Verdict.overruling(new, for: old) == nil)
        #expect(Verdict.overruling(old, for: HostView(right: Self.ready, guest: .paused)) == nil)
        var machine = GuardianMachine(right: stale, guest: .running)
        #expect(throws: LivemigError.self) {
            try machine.handle(.source(.acknowledged(attempt)))
        }
        let step = RecoveryStep.overrule(attempt)
        let effects = try machine.handle(try step.eventWithoutGuest())
        #expect(effects == [.disarmDeadline, .record(.gone(attempt)), .destroyGuest])
        #expect(try machine.handle(try step.eventWithoutGuest()) == [.destroyGuest], "repeated")
        var later = GuardianMachine(right: .owner(Epoch(1002), nil), guest: .running)
        #expect(throws: LivemigError.self) { try later.handle(try step.eventWithoutGuest()) }
        #expect(later.right == .owner(Epoch(1002), nil))
    }

    // Breaks when: a record that could not be written keeps an owner's guest paused, or lets
    // anything else go on: a right that was taken from a fenced peer and not written is two guests
    // when the peer is back.
    @Test(
        "a record that cannot be written",
        arguments: [
            (.intent(attempt), .owner(Epoch(1), nil), .goesOn),
            (released, .owner(Epoch(1), nil), .goesOn), (.intent(attempt), released, .counts),
            (.owner(Epoch(0), nil), .intent(attempt), .undone), (ready, owner, .undone),
            (released, .owner(Epoch(1001), nil), .undone),
            (ready, .owner(Epoch(1001), nil), .undone),
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
}
