import MigrationModel
import Ownership
import Testing

@Suite("The verdict")
struct VerdictTests {
    static let attempt = World.attempts[0]
    static let next = World.attempts[1]
    static let owner = Right.owner(attempt.epoch, attempt.migration)
    static let laterOwner = Right.owner(next.epoch, next.migration)
    static let old = Right.owner(Epoch(0), nil)
    static let released = Right.released(attempt, digest: World.digest)
    static let ready = Right.ready(attempt, digest: World.digest)
    static let rights: [Right] = [
        .none, old, owner, laterOwner, .intent(attempt), .intent(next), released,
        .released(next, digest: World.digest), .gone(attempt), .gone(next), .armed(attempt),
        .armed(next), ready, .ready(next, digest: World.wrong), .aborted(attempt), .aborted(next),
    ]

    /// A line of the commit protocol's table of verdicts.
    struct Line: Sendable, CustomTestStringConvertible {
        let source: Right
        let destination: Right
        var guest = GuestLocation.State.paused
        let verdict: Verdict
        var testDescription: String {
            "\(source.word) \(destination.word) \(guest.rawValue) → \(verdict)"
        }
    }

    static let table: [Line] = [
        Line(source: old, destination: .none, verdict: .runsOnSource),
        Line(source: old, destination: .armed(attempt), verdict: .runsOnSource),
        Line(source: old, destination: ready, verdict: .runsOnSource),
        Line(source: old, destination: .aborted(attempt), verdict: .runsOnSource),
        Line(source: .intent(attempt), destination: .none, verdict: .sourceOwnsInterrupted),
        Line(
            source: .intent(attempt), destination: .armed(attempt), verdict: .sourceOwnsInterrupted),
        Line(source: .intent(attempt), destination: ready, verdict: .sourceOwnsInterrupted),
        Line(
            source: .intent(attempt), destination: .aborted(attempt),
            verdict: .sourceOwnsInterrupted),
        Line(source: released, destination: ready, verdict: .handOverInFlight),
        Line(source: released, destination: ready, guest: .running, verdict: .handOverInFlight),
        Line(source: released, destination: ready, guest: .stopped, verdict: .handOverRefused),
        Line(source: released, destination: .armed(attempt), verdict: .handOverRefused),
        Line(source: released, destination: .none, verdict: .handOverRefused),
        Line(source: released, destination: .aborted(attempt), verdict: .handOverRefused),
        Line(source: released, destination: owner, guest: .running, verdict: .runsOnDestination),
        Line(source: released, destination: owner, guest: .paused, verdict: .committedStarting),
        Line(source: released, destination: owner, guest: .stopped, verdict: .crashedOnDestination),
        Line(source: released, destination: laterOwner, verdict: .runsOnDestination),
        Line(source: released, destination: old, verdict: .sourceMustNotRun),
        Line(source: released, destination: .gone(next), verdict: .movedOn),
        Line(
            source: released, destination: .released(next, digest: World.digest), verdict: .movedOn),
        Line(
            source: .gone(attempt), destination: owner, guest: .running, verdict: .runsOnDestination
        ),
        Line(
            source: .gone(attempt), destination: owner, guest: .stopped,
            verdict: .crashedOnDestination),
        Line(source: old, destination: old, verdict: .impossible),
        Line(source: owner, destination: owner, verdict: .impossible),
        Line(source: .intent(attempt), destination: owner, verdict: .impossible),
        Line(source: old, destination: owner, verdict: .runsOnDestination),
        Line(source: laterOwner, destination: .intent(attempt), verdict: .runsOnSource),
        Line(source: released, destination: .owner(attempt.epoch, nil), verdict: .impossible),
        Line(source: .none, destination: .none, verdict: .nowhere),
    ]

    // Broken by: a verdict that differs from the table that the recovery is built on.
    @Test("both hosts answer", arguments: table)
    func both(line: Line) {
        let verdict = Verdict.decide(
            source: HostView(right: line.source, guest: .paused),
            destination: HostView(right: line.destination, guest: line.guest))
        #expect(verdict == line.verdict)
    }

    // Broken by: running a VM on half of the knowledge.
    @Test(
        "one host answers",
        arguments: [
            (old, nil, .sourceSafeAlone), (.intent(attempt), nil, .sourceSafeAlone),
            (released, nil, .sourceMustNotRun), (.gone(attempt), nil, .sourceMustNotRun),
            (nil, .armed(attempt), .destinationMustNotRun), (nil, ready, .destinationMustNotRun),
            (nil, owner, .destinationOwnsAlone), (nil, Right.none, .nowhere),
            (nil, .aborted(attempt), .nowhere), (nil, nil, .nowhere),
        ] as [(Right?, Right?, Verdict)])
    func one(source: Right?, destination: Right?, verdict: Verdict) {
        #expect(
            Verdict.decide(
                source: source.map { HostView(right: $0, guest: .paused) },
                destination: destination.map { HostView(right: $0, guest: .paused) }) == verdict)
    }

    // Broken by: a pair that traps, or whose verdict lets a host run the VM without the right.
    @Test func everyPairOfViewsHasASafeVerdict() {
        let views = Self.rights.flatMap { right in
            GuestLocation.State.allCases.map { HostView(right: right, guest: $0) }
        }
        let all = [nil] + views.map(Optional.some)
        for source in all {
            for destination in all {
                let verdict = Verdict.decide(source: source, destination: destination)
                check(verdict, source?.right, destination?.right)
            }
        }
    }

    private func check(_ verdict: Verdict, _ source: Right?, _ destination: Right?) {
        let (here, there) = (source?.mayRun ?? false, destination?.mayRun ?? false)
        let context: Comment = "\(source?.word ?? "–") \(destination?.word ?? "–") → \(verdict)"
        let (ours, theirs) = (source?.epoch ?? Epoch(0), destination?.epoch ?? Epoch(0))
        switch verdict {
        case .runsOnSource, .sourceOwnsInterrupted, .sourceSafeAlone:
            #expect(here && (!there || ours > theirs), context)
        case .runsOnDestination, .committedStarting, .crashedOnDestination, .destinationOwnsAlone:
            #expect(there && (!here || theirs > ours), context)
        case .impossible: #expect(there && ours == theirs, context)
        case .sourceMustNotRun: #expect(!here && (!there || ours > theirs), context)
        case .nowhere, .handOverInFlight, .handOverRefused, .movedOn, .destinationMustNotRun:
            #expect(!here && !there, context)
        }
    }
}
