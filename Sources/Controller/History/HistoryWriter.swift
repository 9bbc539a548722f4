import LinuxSystem
public import MigrationModel

/// Writes moves to the history, on a thread of its own, so that no move waits for a disk.
public final class HistoryWriter: Sendable {
    /// Moves that are not in the history.
    public struct Missing: Hashable, Sendable {
        /// How many.
        public let count: Int
        /// Why, of the last.
        public let reason: LivemigError

        /// States what is missing.
        public init(count: Int, reason: LivemigError) {
            self.count = count
            self.reason = reason
        }
    }

    private struct Work {
        var waiting: [MoveRecord] = []
        var current: Bits128?
        var failures: [Bits128: LivemigError] = [:]
        var lastFailure: LivemigError?
        var isFinished = false
    }

    /// How long a command may wait at its end for what is not yet written.
    public static let finishLimit = Duration.seconds(5)

    private let work = Monitor(Work())

    /// Starts the thread; nothing is opened before there is something to write.
    /// - Parameter place: the history's path, or why there is none.
    public init(to place: Result<String, LivemigError>) {
        _ = WorkerThread("history") { [work] in Self.run(work, place) }
    }

    /// Has a move written, in the place of what was written of it before; does not wait.
    public func write(_ record: MoveRecord) {
        work.withLock { work in
            work.waiting.removeAll { $0.key == record.key }
            work.waiting.append(record)
        }
    }

    /// Waits for the thread to write everything, and ends it.
    ///
    /// Blocks; not for Swift tasks.
    /// - Parameter limit: the longest wait.
    /// - Returns: the moves whose last state is not in the history; `nil` where all are.
    public func finish(within limit: Duration = HistoryWriter.finishLimit) -> Missing? {
        let deadline = MonotonicTime.now + limit
        work.withLock { $0.isFinished = true }
        settle(by: deadline)
        return work.withLock { work in
            let late = Set(work.waiting.map(\.key) + [work.current].compactMap { $0 })
            let missing = late.union(work.failures.keys)
            guard !missing.isEmpty else { return nil }
            let slow = LivemigError(.history, "it was not written within \(limit.brief)")
            let reason = work.failures.isEmpty ? slow : work.lastFailure ?? slow
            return Missing(count: missing.count, reason: reason)
        }
    }

    /// Waits until there is nothing to write.
    func settle(by deadline: MonotonicTime) {
        _ = work.wait(deadline: deadline) { work in
            work.waiting.isEmpty && work.current == nil ? () : nil
        }
    }

    private static func run(_ work: Monitor<Work>, _ place: Result<String, LivemigError>) {
        var database: HistoryDatabase?
        while let record = next(work) {
            var failure: LivemigError?
            do throws(LivemigError) {
                if database == nil { database = try HistoryDatabase(path: try place.get()) }
                try database?.write(record)
            } catch {
                failure = error
            }
            work.withLock { work in
                work.current = nil
                work.failures[record.key] = failure
                work.lastFailure = failure ?? work.lastFailure
            }
        }
    }

    private static func next(_ work: Monitor<Work>) -> MoveRecord? {
        let record = work.wait { work -> MoveRecord?? in
            guard !work.waiting.isEmpty else { return work.isFinished ? .some(nil) : nil }
            let record = work.waiting.removeFirst()
            work.current = record.key
            return record
        }
        return record
    }
}
