import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Every point of a move, with everybody who takes part killed or stopped there.
@Suite(.serialized) struct CrashPointTests {
    #if CrashPoints
    // Breaks when a crash at any half-step, of anyone, ends with other than one running guest
    // whose memory is whole, leaves something behind, makes a command say what is not true, or
    // stands in the way of the next move.
    @Test(.timeLimit(.minutes(30))) func everyCrashEndsWell() throws {
        let cases = Sample.of(CrashCase.all)
        let queue = Monitor(cases)
        let failures = Monitor<[String]>([])
        let start = MonotonicTime.now
        let workers = (0..<Sample.benches).map { _ in
            WorkerThread("crash bench") { try Self.work(queue, failures) }
        }
        for worker in workers { try worker.join() }
        print("\(cases.count) crashes in \(start.elapsed.brief)")
        for failure in failures.withLock({ $0 }) { Issue.record("\(failure)") }
    }

    private static func work(
        _ queue: Monitor<[CrashCase]>, _ failures: Monitor<[String]>
    ) throws {
        var bench = try makeBench()
        while let next = queue.withLock({ $0.popLast() }) {
            do {
                let faults = try bench.run(next)
                guard !faults.isEmpty else { continue }
                failures.withLock { $0.append("\(next): \(faults.joined(separator: "\n"))") }
            } catch {
                failures.withLock { $0.append("\(next): \(error)") }
            }
            // What a failed case has left behind is not the next one's.
            bench = try makeBench()
        }
    }

    /// Hosts are made one after the other: each asks the system for a free port.
    private static func makeBench() throws -> CrashBench {
        try making.withLock { _ in try CrashBench() }
    }

    private static let making = Monitor(())

    /// Which cases are run, and how many at once.
    private enum Sample {
        /// Mostly waiting: a case takes seconds and little of a processor.
        static let benches = Repository.number("LIVEMIG_CRASH_BENCHES") ?? 6

        /// `LIVEMIG_CRASHES` of those whose name has `LIVEMIG_CRASH` in it, spread over points and
        /// victims; Scripts/crash-points runs all.
        static func of(_ all: [CrashCase]) -> [CrashCase] {
            let wanted = Repository.text("LIVEMIG_CRASH")
            let chosen = all.filter { crash in wanted.map { "\(crash)".contains($0) } ?? true }
            let count = min(chosen.count, Repository.number("LIVEMIG_CRASHES") ?? 24)
            return (0..<count).map { chosen[$0 * chosen.count / count] }.reversed()
        }
    }
    #else
    // Breaks when the tests are built without what they are to test.
    @Test func crashPointsAreCompiledIn() {
        Issue.record("build the tests with --traits CrashPoints, as Scripts/test does")
    }
    #endif
}
