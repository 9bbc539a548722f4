#if CrashPoints
import CrashPoints
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Guests whose agent or guardian is killed while they are saved or restored.
@Suite(.serialized) struct SavedCrashTests {
    /// A step, and who dies there.
    struct Crash: Sendable, CustomStringConvertible {
        let command: String
        let point: CrashPoint
        let victims: [String]

        var description: String { "\(command) at \(point): \(victims.joined(separator: " and "))" }

        private static let parties = [[" serve "], [" guard "], [" serve ", " guard "]]

        static let saving: [CrashPoint] = [
            .beforeStop, .afterStop, .beforeSave, .afterSave, .savingWritten, .savingKept,
            .afterDestroy,
        ]
        static let restoring: [CrashPoint] = [
            .beforeLaunch, .afterLaunch, .restoringPlaced, .beforeLoad, .afterLoad,
            .restoringSpent, .beforeResume, .afterResume,
        ]

        /// Everybody who may die at a point.
        static func all(at point: CrashPoint, of command: String) -> [Crash] {
            parties.map { Crash(command: command, point: point, victims: $0) }
        }
    }

    // Breaks when a crash loses the guest, leaves it standing still, lets it run beside a file that
    // counts, or takes it back to an earlier time.
    @Test(.timeLimit(.minutes(2)), arguments: Crash.saving) func saving(at point: CrashPoint) throws
    {
        try run(Crash.all(at: point, of: "save"))
    }

    // Breaks as the other does, and when a guest is restored twice.
    @Test(.timeLimit(.minutes(2)), arguments: Crash.restoring)
    func restoring(at point: CrashPoint) throws { try run(Crash.all(at: point, of: "start")) }

    private func run(_ crashes: [Crash]) throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try GuestKind.synthetic.start(on: hosts)
        var last = try hosts.alpha.nextBeat()
        for crash in crashes {
            if crash.command == "start" { try someone.succeed("vm", "save", "guest") }
            last = try attempt(crash, hosts, someone, since: last)
        }
    }

    private func attempt(
        _ crash: Crash, _ hosts: TwoHosts, _ someone: Operator, since beat: Beat
    ) throws -> Beat {
        let flag = CrashFlag(folder: hosts.alpha.root)
        try flag.raise(crash.point)
        let command = try someone.begin(["vm", crash.command, "guest"])
        guard let waiting = flag.wait(command) else {
            Issue.record("\(crash) was not reached: \(try command.finish())")
            return beat
        }
        let victims = Set(crash.victims.flatMap { hosts.alpha.processIDs(with: $0) })
        for id in victims { kill(id, SIGKILL) }
        try expectSoon(within: .seconds(5)) {
            crash.victims.allSatisfy { victims.isDisjoint(with: hosts.alpha.processIDs(with: $0)) }
        }
        kill(waiting, SIGCONT)
        let result = try command.finish()
        let (status, output) = try hosts.alpha.recover()
        #expect(status == 0, "\(crash): \(output)\n\(result)")
        let state = try hosts.summary(on: hosts.alpha).state
        #expect(state == .running || state == .saved, "\(crash): \(state), \(output)\n\(result)")
        // Never both.
        let guests = hosts.alpha.processIDs(with: "livemig-synthetic-guest").count
        #expect(guests == (state == .running ? 1 : 0), "\(crash)")
        #expect((hosts.alpha.savedFileMode != nil) == (state == .saved), "\(crash)")
        #expect(!(result.status == 0 && crash.command == "save" && state != .saved), "\(crash)")
        #expect(!(result.status == 0 && crash.command == "start" && state != .running), "\(crash)")
        if state == .saved { try someone.succeed("vm", "start", "guest") }
        #expect(GuestKind.synthetic.faults(on: hosts.alpha) == [], "\(crash)")
        #expect(try hosts.summary(on: hosts.alpha).epoch == Epoch(0))
        return try hosts.alpha.expectProgress(since: beat)
    }
}
#endif
