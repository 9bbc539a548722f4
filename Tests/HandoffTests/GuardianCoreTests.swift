import Handoff
import MigrationModel
import Ownership
import Testing

private typealias Core = GuardianCore<Int>

@Suite("A guardian's decisions")
struct GuardianCoreTests {
    private static let attempt = Attempt(
        migration: MigrationID(Bits128(high: 0, low: 9)), epoch: Epoch(1))
    private static let digest = Bits128(high: 0, low: 5)
    private static let owner = Right.owner(Epoch(0), nil)
    private static let locked = LivemigError(.lock, "held elsewhere")
    private static let broken = LivemigError(.fsync, "the medium has failed")

    /// Takes an input in and performs its effects; those in `failing` fail.
    /// - Returns: what was tried, in order.
    @discardableResult
    private static func run(
        _ core: inout Core, _ input: Core.Input,
        failing: [(Core.Effect, LivemigError)] = []
    ) throws(LivemigError) -> [Core.Effect] {
        try core.plan(input)
        let tried = perform(&core, failing: failing)
        try core.conclude()
        return tried
    }

    private static func perform(
        _ core: inout Core, failing: [(Core.Effect, LivemigError)]
    ) -> [Core.Effect] {
        var (tried, failing) = ([Core.Effect](), failing)
        while let effect = core.next {
            tried.append(effect)
            if let index = failing.firstIndex(where: { $0.0 == effect }) {
                core.failed(failing.remove(at: index).1)
            } else {
                core.done()
            }
        }
        return tried
    }

    private static func moving() throws -> Core {
        var core = Core(right: owner)
        try run(&core, .begin(attempt, .running, keepPaused: false, by: 1))
        return core
    }

    // Breaks when two agents work with one guest, or one that has gone keeps others out.
    @Test("one agent works with the guest")
    func oneWorker() throws {
        var core = try Self.moving()
        #expect(core.work == .moving(1) && core.written == .intent(Self.attempt))
        for input in [
            .begin(Self.attempt, .running, keepPaused: false, by: 2),
            .suspend(isRunning: true, by: 2),
            .settle(isRunning: true), .powerOff,
        ] as [Core.Input] {
            let error = #expect(throws: LivemigError.self) { try Self.run(&core, input) }
            #expect(error?.code == .busy)
        }
        #expect(try Self.run(&core, .clientGone(2)) == [])
        let last = try Self.run(&core, .clientGone(1))
        #expect(last == [.disarmDeadline, .record(.owner(Epoch(1), nil))])
        #expect(core.work == .none && core.written.mayRun)
    }

    // Breaks when a move whose intent could not be written keeps the guest.
    @Test("an intent that is not written has not happened")
    func unwrittenIntent() throws {
        var core = Core(right: Self.owner)
        let intent = Core.Effect.record(.intent(Self.attempt))
        #expect(throws: LivemigError.self) {
            try Self.run(
                &core, .begin(Self.attempt, .running, keepPaused: false, by: 1),
                failing: [(intent, Self.broken)])
        }
        #expect(core.ownership.right == Self.owner && core.work == .none)
    }

    // Breaks when a worker that has gone stays because the record of its end could not be written.
    @Test("a worker that has gone is no worker")
    func goneWorker() throws {
        var core = Core(right: .none)
        try Self.run(&core, .arm(Self.attempt, by: 1))
        let refusal = Core.Effect.record(.aborted(Self.attempt))
        #expect(throws: LivemigError.self) {
            try Self.run(&core, .clientGone(1), failing: [(refusal, Self.broken)])
        }
        #expect(core.work == .none && core.ownership.right == .armed(Self.attempt))
    }

    // Breaks when a right that cannot be used goes back though the guest may have run, or stays
    // though none of it has.
    @Test("a token whose guest does not start", arguments: [ErrorCode.lock, .guestDown, .qmp])
    func tokens(code: ErrorCode) throws {
        var core = Core(right: .none)
        try Self.run(&core, .arm(Self.attempt, by: 1))
        try Self.run(&core, .receive(.ready(Self.attempt, digest: Self.digest)))
        var tried: [Core.Effect] = []
        let error = #expect(throws: LivemigError.self) {
            try core.plan(.receive(.token(Self.attempt, digest: Self.digest, resume: true)))
            tried = Self.perform(&core, failing: [(.resumeGuest, LivemigError(code, ""))])
            try core.conclude()
        }
        #expect(error?.code == code)
        let hasGoneBack = tried.suffix(2) == [.record(.aborted(Self.attempt)), .destroyGuest]
        #expect(hasGoneBack == (code == .lock), "\(tried)")
        #expect(core.ownership.right.mayRun == (code != .lock))
        #expect(!core.isResumeOwed)
    }

    // Breaks when a copy runs whose refusal may be on the medium: the source may run the guest then.
    @Test("a refusal that cannot be written")
    func unwrittenRefusal() throws {
        var core = Core(right: .none)
        try Self.run(&core, .arm(Self.attempt, by: 1))
        try Self.run(&core, .receive(.ready(Self.attempt, digest: Self.digest)))
        let refusal = Core.Effect.record(.aborted(Self.attempt))
        let token = Core.Input.receive(.token(Self.attempt, digest: Self.digest, resume: true))
        let error = #expect(throws: LivemigError.self) {
            try Self.run(
                &core, token, failing: [(.resumeGuest, Self.locked), (refusal, Self.broken)])
        }
        #expect(error?.code == .fsync)
        #expect(core.ownership.right.mayRun && !core.isResumeOwed)
        #expect(try Self.run(&core, .retry) == [])
        let owner = Core.Effect.record(core.ownership.right)
        #expect(throws: LivemigError.self) {
            try Self.run(&core, .clientGone(1))
            try Self.run(&core, .settle(isRunning: false), failing: [(owner, Self.broken)])
        }
        #expect(try Self.run(&core, .settle(isRunning: false)) == [owner, .resumeGuest])
        #expect(try Self.run(&core, .settle(isRunning: false)) == [.resumeGuest])
    }

    // Breaks when a guest whose disk is held stays paused, or each try is an error of its own.
    @Test("a held disk puts the guest off")
    func owed() throws {
        var core = try Self.moving()
        try Self.run(&core, .give(.stop))
        #expect(throws: LivemigError.self) {
            try Self.run(&core, .abort, failing: [(.resumeGuest, Self.locked)])
        }
        #expect(core.isResumeOwed)
        #expect(
            try Self.run(&core, .retry, failing: [(.resumeGuest, Self.locked)]) == [.resumeGuest])
        #expect(core.isResumeOwed)
        #expect(try Self.run(&core, .retry) == [.resumeGuest])
        #expect(try !core.isResumeOwed && Self.run(&core, .retry) == [])
    }

    // Breaks when a guest runs beside a file that counts, or a guest is lost that cannot be saved.
    @Test("saving")
    func saving() throws {
        var core = Core(right: Self.owner)
        #expect(throws: LivemigError.self) {
            try Self.run(
                &core, .suspend(isRunning: true, by: 1), failing: [(.stopGuest, Self.broken)])
        }
        #expect(core.work == .none)
        try Self.run(&core, .suspend(isRunning: true, by: 1))
        #expect(try Self.run(&core, .clientGone(1)) == [.removeUnfinishedSave, .resumeGuest])
        try Self.run(&core, .suspend(isRunning: true, by: 1))
        #expect(throws: LivemigError.self) { try Self.run(&core, .keep(by: 2)) }
        #expect(throws: LivemigError.self) {
            try Self.run(&core, .keep(by: 1), failing: [(.keepSavedGuest, Self.broken)])
        }
        #expect(core.work == .saving(1, wasRunning: true) && !core.isFinished)
        #expect(try Self.run(&core, .keep(by: 1)) == [.keepSavedGuest, .destroyGuest])
        #expect(core.isFinished)
    }

    // Breaks when a restored guest of which nothing has run is lost, or one that may have run is
    // saved again.
    @Test("restoring")
    func restoring() throws {
        let resumed: [Core.Effect] = [.spendSavedGuest, .resumeRestoredGuest]
        func restore(
            _ failing: [(Core.Effect, LivemigError)], _ core: inout Core
        ) throws -> [Core.Effect] {
            core = Core(right: Self.owner)
            try Self.run(&core, .restoring(by: 1))
            try core.plan(.restored(resume: true, by: 1))
            return Self.perform(&core, failing: failing)
        }
        var core = Core(right: Self.owner)
        #expect(try restore([], &core) == resumed + [.removeUnfinishedSave])
        try core.conclude()
        let held = try restore([(.resumeRestoredGuest, Self.locked)], &core)
        #expect(held == resumed + [.keepSavedGuest, .destroyGuest])
        #expect(throws: LivemigError.self) { try core.conclude() }
        #expect(core.isFinished)
        let both = try restore(
            [(.resumeRestoredGuest, Self.locked), (.keepSavedGuest, Self.broken)], &core)
        #expect(both == resumed + [.keepSavedGuest])
        #expect(throws: LivemigError.self) { try core.conclude() }
        #expect(core.isResumeOwed && !core.isFinished)
        let down = try restore([(.resumeRestoredGuest, LivemigError(.guestDown, ""))], &core)
        #expect(down == resumed)
        #expect(throws: LivemigError.self) { try core.conclude() }
        #expect(!core.isFinished)
    }

    // Breaks when a guardian stays after its VM has gone, or leaves while it is still there.
    @Test("the end of a guardian")
    func ends() throws {
        let released = Right.released(Self.attempt, digest: Self.digest)
        for (input, isOverruled) in [
            (Core.Input.give(.acknowledged(Self.attempt)), false), (.hypervisorEnded, false),
        ] {
            var core = Core(right: released)
            try Self.run(&core, input)
            #expect(core.isFinished && core.isOverruled == isOverruled)
        }
        var core = Core(right: released)
        let gone = Core.Effect.record(.gone(Self.attempt))
        #expect(throws: LivemigError.self) {
            try Self.run(
                &core, .give(.acknowledged(Self.attempt)), failing: [(gone, Self.broken)])
        }
        #expect(!core.isFinished && core.ownership.right == released)
        var loser = Core(right: Self.owner)
        try Self.run(&loser, .give(.overruled(Self.attempt)))
        #expect(loser.isFinished && loser.isOverruled)
        var off = Core(right: Self.owner)
        #expect(try Self.run(&off, .powerOff) == [.destroyGuest] && off.isFinished)
    }
}
