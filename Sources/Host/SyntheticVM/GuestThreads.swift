import LinuxSystem
import MigrationModel
import Synchronization

/// The running part of a reference guest: one thread for each writer, one for the heartbeat.
///
/// Threads stand still between steps only. `stop`, `resume` and `end` are called by one thread at a
/// time; what the threads count may be read and set while they are stopped.
final class GuestThreads: Sendable {
    private enum Phase { case stopped, running, ended }

    private struct Order {
        var phase = Phase.stopped
        /// Threads that stand still, or have not started to move yet.
        var parked = 0
    }

    private final class Counter: Sendable {
        let value = Atomic<UInt64>(0)
    }

    private let image: GuestImage
    private let console: GuestConsole
    private let order = Monitor(Order())
    /// What `order` says, for a look at every step without the lock; changed under the lock only.
    private let moving = Atomic<Bool>(false)
    /// Bytes a second for all writers, as `Rate.bytesPerSecond`; changed under the lock only.
    private let bytesPerSecond: Atomic<UInt64>
    private let counters: [Counter]
    private let heart = Monitor(Heartbeat())
    private let corrupt = Counter()

    /// Starts the threads, which stand still at first.
    init(_ image: GuestImage, console: GuestConsole) {
        self.image = image
        self.console = console
        bytesPerSecond = Atomic(image.expected.parameters.rate.bytesPerSecond)
        counters = image.expected.parts.map { _ in Counter() }
        for (index, part) in image.expected.parts.enumerated() {
            _ = WorkerThread("writer-\(index)") { self.write(part, self.counters[index]) }
        }
        _ = WorkerThread("heartbeat") { self.beat() }
        order.wait { $0.parked == self.threadCount ? () : nil }
    }

    private var threadCount: Int { counters.count + 1 }

    /// The steps each writer has made.
    var steps: [UInt64] {
        get { counters.map { $0.value.load(ordering: .acquiring) } }
        set {
            for (counter, steps) in zip(counters, newValue) {
                counter.value.store(steps, ordering: .releasing)
            }
        }
    }

    /// The heart as it beat last.
    var heartbeat: Heartbeat {
        get { heart.withLock { $0 } }
        set { heart.withLock { $0 = newValue } }
    }

    /// How fast the writers write.
    var rate: WorkloadParameters.Rate {
        get { .init(bytesPerSecond: bytesPerSecond.load(ordering: .relaxed)) }
        set {
            order.withLock { _ in
                bytesPerSecond.store(newValue.bytesPerSecond, ordering: .relaxed)
            }
        }
    }

    /// How many pages the writers found changed behind their backs.
    var corruptPages: UInt64 { corrupt.value.load(ordering: .relaxed) }

    /// Lets every thread run.
    func resume() {
        order.withLock {
            $0.phase = .running
            moving.store(true, ordering: .releasing)
        }
    }

    /// Returns when every thread stands still, its step in progress done.
    func stop() { halt(.stopped) }

    /// Ends the threads; they have written for the last time when it returns.
    func end() { halt(.ended) }

    private func halt(_ phase: Phase) {
        order.withLock {
            $0.phase = phase
            moving.store(false, ordering: .releasing)
        }
        order.wait { $0.parked == self.threadCount ? () : nil }
    }

    /// Stands still until told to run.
    /// - Returns: whether to run on; `false` at the end.
    private func park() -> Bool {
        order.withLock { $0.parked += 1 }
        return order.wait { order in
            switch order.phase {
            case .stopped: return nil
            case .ended: return false
            case .running:
                order.parked -= 1
                return true
            }
        }
    }

    // MARK: Writers

    private func write(_ part: WriterPart, _ counter: Counter) {
        let checks = image.expected.parameters.checks
        while park() {
            var pacing = Pacing(now: MonotonicTime.now.nanoseconds)
            while moving.load(ordering: .acquiring) {
                let rate = bytesPerSecond.load(ordering: .relaxed)
                guard rate > 0 else {
                    waitForChange(of: rate)
                    continue
                }
                let step = counter.value.load(ordering: .relaxed)
                if checks, !image.isIntact(part, before: step) {
                    report(part.page(atStep: step))
                }
                image.step(part, step)
                counter.value.store(step + 1, ordering: .releasing)
                guard rate != .max else { continue }
                let now = MonotonicTime.now.nanoseconds
                let due = pacing.countPage(now: now, rate: max(1, rate / UInt64(counters.count)))
                if due > now {
                    waitForChange(of: rate, deadline: MonotonicTime(nanoseconds: due))
                }
            }
        }
    }

    /// Waits until the guest shall stop, the rate is another one, or time is over.
    private func waitForChange(of rate: UInt64, deadline: MonotonicTime? = nil) {
        let changed: (inout Order) -> Void? = { order in
            let same = self.bytesPerSecond.load(ordering: .relaxed) == rate
            return order.phase == .running && same ? nil : ()
        }
        if let deadline {
            _ = order.wait(deadline: deadline, until: changed)
        } else {
            order.wait(until: changed)
        }
    }

    private func report(_ page: Int) {
        let count = corrupt.value.add(1, ordering: .relaxed).newValue
        if count <= 16 { console.print("CORRUPT page=\(page)") }
    }

    // MARK: Heartbeat

    private func beat() {
        let period = image.expected.parameters.beatPeriod
        let beatsPerLine = max(1, Self.linePeriod / period)
        while park() {
            var due = MonotonicTime.now.nanoseconds
            while moving.load(ordering: .acquiring) {
                let now = MonotonicTime.now.nanoseconds
                let count = beat(at: now)
                // A late beat is not made up for: the next one comes one period later.
                due = max(due, now > period ? now - period : 0)
                due += period
                if count % beatsPerLine == 0 { printBeat(count / beatsPerLine) }
                _ = order.wait(deadline: MonotonicTime(nanoseconds: due)) {
                    $0.phase == .running ? nil : ()
                }
            }
        }
    }

    private func beat(at now: UInt64) -> UInt64 {
        let pages = steps.reduce(0, &+)
        let beat = heart.withLock { heart in
            heart.count &+= 1
            heart.time = now
            heart.pagesRewritten = pages
            return heart
        }
        image.write(beat)
        return beat.count
    }

    /// Nanoseconds from line to line on the console, where the heart does not beat slower.
    private static let linePeriod: UInt64 = 500_000_000

    private func printBeat(_ number: UInt64) {
        console.print("beat=\(number) steps=\(steps.reduce(0, &+)) corrupt=\(corruptPages)")
    }
}
