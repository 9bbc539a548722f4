import LinuxSystem
import MigrationModel
import TestSupport

/// Cases that are tried on several benches at once, and which of them.
enum Benches {
    /// How many at once: a case mostly waits, and takes seconds and little of a processor.
    static let count = Repository.number("LIVEMIG_CRASH_BENCHES") ?? 6

    /// So many of the cases whose description has a text in it, spread over all of them.
    ///
    /// - Parameters:
    ///   - all: the cases.
    ///   - usual: how many, unless the variable says otherwise.
    ///   - variable: the environment variable with the number, or `all`; that with the text is
    ///     called so, with `_WITH` behind.
    static func sample<Case: CustomStringConvertible>(
        of all: [Case], _ usual: Int, unless variable: String
    ) -> [Case] {
        let wanted = Repository.text(variable + "_WITH")
        let chosen = all.filter { this in wanted.map { "\(this)".contains($0) } ?? true }
        let limit = Repository.text(variable) == "all" ? .max : Repository.number(variable)
        let count = min(chosen.count, limit ?? usual)
        return (0..<count).map { chosen[$0 * chosen.count / count] }
    }

    /// Tries cases; returns what did not hold.
    ///
    /// - Parameters:
    ///   - cases: what to try, in this order.
    ///   - count: on how many benches.
    ///   - make: makes a bench; one at a time, for hosts ask the system for free ports.
    ///   - body: tries a case on a bench, and returns what did not hold. The next case gets a new
    ///     bench then: what a failed one has left behind is not its business.
    static func run<Case: Sendable & CustomStringConvertible, Bench>(
        _ cases: [Case], on count: Int = count, _ make: @escaping @Sendable () throws -> Bench,
        _ body: @escaping @Sendable (Bench, Case) throws -> [String]
    ) throws -> [String] {
        let queue = Monitor(Array(cases.reversed()))
        let failures = Monitor<[String]>([])
        let making = Monitor(())
        let start = MonotonicTime.now
        let workers = (0..<count).map { _ in
            WorkerThread("bench") {
                var bench = try making.withLock { _ in try make() }
                while let next = queue.withLock({ $0.popLast() }) {
                    let faults: [String]
                    do { faults = try body(bench, next) } catch { faults = ["\(error)"] }
                    guard !faults.isEmpty else { continue }
                    print("\(next) failed")
                    failures.withLock { $0.append("\(next): \(faults.joined(separator: "\n"))") }
                    bench = try making.withLock { _ in try make() }
                }
            }
        }
        for worker in workers { try worker.join() }
        print("\(cases.count) cases in \(start.elapsed.brief)")
        return failures.withLock { $0 }
    }
}
