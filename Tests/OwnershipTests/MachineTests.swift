import MigrationModel
import Ownership
import Testing

@Suite("The two state machines")
struct MachineTests {
    static let attempt = World.attempts[0]
    static let other = World.attempts[1]
    static let digest = World.digest

    // Broken by: an effect missing or in another order; a record must be durable before what
    // follows it.
    @Test func theStepsOfAHandOver() throws {
        var source = SourceMachine(right: .owner(Epoch(0), nil), guest: .running)
        var destination = DestinationMachine(right: .none)
        let attempt = Self.attempt
        #expect(try destination.handle(.arm(attempt)) == [.record(.armed(attempt))])
        #expect(try source.handle(.begin(attempt)) == [.record(.intent(attempt))])
        #expect(try source.handle(.stop) == [.armDeadline, .stopGuest])
        let ready = Right.ready(attempt, digest: Self.digest)
        #expect(
            try destination.handle(.ready(attempt, digest: Self.digest)) == [.record(ready)])
        let released = Right.released(attempt, digest: Self.digest)
        #expect(
            try source.handle(.release(attempt, ready: Self.digest, own: Self.digest))
                == [.record(released), .disarmDeadline])
        let owner = Right.owner(attempt.epoch, attempt.migration)
        let token = DestinationMachine.Event.token(attempt, digest: Self.digest, resume: true)
        #expect(try destination.handle(token) == [.record(owner), .resumeGuest])
        #expect(try destination.handle(token) == [], "a repeated token does nothing")
        #expect(
            try source.handle(.acknowledged(attempt)) == [.record(.gone(attempt)), .destroyGuest])
        #expect(try source.handle(.acknowledged(attempt)) == [.destroyGuest])
    }

    // Broken by: resuming before the record says owner, or a burnt epoch used again.
    @Test func anAbortGivesTheRightBackFirst() throws {
        var source = SourceMachine(right: .owner(Epoch(0), nil), guest: .running)
        _ = try source.handle(.begin(Self.attempt))
        _ = try source.handle(.stop)
        #expect(
            try source.handle(.abort)
                == [.disarmDeadline, .record(.owner(Epoch(1), nil)), .resumeGuest])
        #expect(throws: LivemigError.self) { try source.handle(.begin(Self.attempt)) }
        #expect(try source.handle(.begin(Self.other)) == [.record(.intent(Self.other))])
        #expect(
            try source.handle(.abort) == [.disarmDeadline, .record(.owner(Epoch(2), nil))],
            "a guest that was not stopped is not resumed")
    }

    // Broken by: letting a guest run that was paused before the move.
    @Test func aPausedGuestStaysPaused() throws {
        var source = SourceMachine(right: .owner(Epoch(0), nil), guest: .paused)
        _ = try source.handle(.begin(Self.attempt))
        #expect(try source.handle(.stop) == [.armDeadline])
        #expect(try !source.handle(.abort).contains(.resumeGuest))
        var destination = DestinationMachine(right: .ready(Self.attempt, digest: Self.digest))
        let token = DestinationMachine.Event.token(
            Self.attempt, digest: Self.digest, resume: false)
        #expect(try !destination.handle(token).contains(.resumeGuest))
    }

    // Broken by: another code for what a user must do next.
    @Test(
        "what cannot be done now, and how it is called",
        arguments: [
            (.released(attempt, digest: digest), .abort, .inTransfer),
            (.released(attempt, digest: digest), .begin(other), .inTransfer),
            (.released(attempt, digest: digest), .refused(other), .inTransfer),
            (.gone(attempt), .abort, .tooLate), (.gone(attempt), .refused(attempt), .tooLate),
            (.intent(attempt), .begin(other), .busy),
            (.intent(attempt), .acknowledged(attempt), .busy),
            (.owner(Epoch(1), nil), .acknowledged(attempt), .busy),
            (.intent(attempt), .refused(attempt), .busy), (.owner(Epoch(0), nil), .stop, .busy),
            (.intent(attempt), .release(other, ready: digest, own: digest), .busy),
            (.owner(Epoch(2), nil), .begin(other), .migrationID),
            (.owner(Epoch(5), nil), .begin(attempt), .migrationID),
            (.owner(Epoch(.max), nil), .begin(attempt), .migrationID),
            (.intent(attempt), .release(attempt, ready: World.wrong, own: digest), .verify),
        ] as [(Right, SourceMachine.Event, ErrorCode)])
    func sourceRefuses(right: Right, event: SourceMachine.Event, code: ErrorCode) {
        var machine = SourceMachine(right: right, guest: .stopped)
        let error = #expect(throws: LivemigError.self) { try machine.handle(event) }
        #expect(error?.code == code)
        #expect(machine == SourceMachine(right: right, guest: .stopped))
    }

    // Broken by: a copy discarded or a right taken that belongs to another attempt.
    @Test(
        "what the destination refuses",
        arguments: [
            (.owner(Epoch(1), attempt.migration), .discard(attempt), .tooLate),
            (.owner(Epoch(1), attempt.migration), .arm(other), .tooLate),
            (.armed(attempt), .arm(other), .migrationID),
            (.ready(attempt, digest: digest), .arm(other), .migrationID),
            (.armed(attempt), .token(attempt, digest: digest, resume: true), .migrationID),
            (
                .ready(attempt, digest: digest), .token(other, digest: digest, resume: true),
                .migrationID
            ),
            (
                .ready(attempt, digest: digest),
                .token(attempt, digest: World.wrong, resume: true), .migrationID
            ), (.aborted(attempt), .token(attempt, digest: digest, resume: true), .migrationID),
            (.aborted(attempt), .arm(attempt), .migrationID),
            (.aborted(other), .arm(attempt), .migrationID),
            (.gone(other), .arm(attempt), .migrationID),
            (.ready(attempt, digest: digest), .discard(other), .migrationID),
            (.aborted(other), .discard(attempt), .migrationID),
            (.ready(attempt, digest: digest), .resumeRefused, .migrationID),
            (.owner(Epoch(0), nil), .resumeRefused, .tooLate),
            (.intent(attempt), .discard(attempt), .migrationID),
        ] as [(Right, DestinationMachine.Event, ErrorCode)])
    func destinationRefuses(right: Right, event: DestinationMachine.Event, code: ErrorCode) {
        var machine = DestinationMachine(right: right)
        let error = #expect(throws: LivemigError.self) { try machine.handle(event) }
        #expect(error?.code == code)
        #expect(machine.right == right)
    }

    // Broken by: a refusal that is asked for before the destination knew of the attempt, and that
    // a late ARM would undo.
    @Test func anAttemptNeverSeenCanBeGivenUp() throws {
        var machine = DestinationMachine(right: .none)
        #expect(try machine.handle(.discard(Self.attempt)) == [.record(.aborted(Self.attempt))])
        #expect(throws: LivemigError.self) { try machine.handle(.arm(Self.attempt)) }
        #expect(try machine.handle(.arm(Self.other)) == [.record(.armed(Self.other))])
    }
}
