import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@Suite("Threads, monitors and time")
struct ThreadTests {
    struct Oops: Error, Equatable {}

    // Broken by: a result or an error that gets lost between threads.
    @Test func aThreadHasAResultOrAnError() throws {
        try within(.seconds(10)) {
            let working = WorkerThread("a") { 42 }
            let value = try working.join()
            #expect(value == 42)
            let failing = WorkerThread("b") { () throws -> Int in throw Oops() }
            #expect(throws: Oops.self) { try failing.join() }
            #expect(throws: Oops.self) { try failing.join() }
            #expect(throws: Oops.self) { try failing.result?.get() }
        }
    }

    // Broken by: a name that `ps -T` does not show, or one too long for the kernel.
    @Test(
        "a thread has its name",
        arguments: [("lane 3", "lane 3"), ("123456789012345678", "123456789012345")])
    func name(name: String, shown: String) throws {
        let found = try within(.seconds(10)) {
            try WorkerThread(name) { () throws -> String in
                let file = try OwnedDescriptor.open("/proc/thread-self/comm", O_RDONLY)
                return try ProcessTests.read(file.number, count: 64)
            }.join()
        }
        #expect(found == shown + "\n")
    }

    // Broken by: a change that wakes nobody, or one that two threads see as theirs.
    @Test func aMonitorHandsOverBetweenThreads() throws {
        try within(.seconds(20)) {
            let queue = Monitor<[Int]>([])
            let consumers = (0..<3).map { _ in
                WorkerThread("take") { () -> [Int] in
                    var taken: [Int] = []
                    while true {
                        let next = queue.wait { $0.isEmpty ? nil : $0.removeFirst() }
                        if next < 0 { return taken }
                        taken.append(next)
                    }
                }
            }
            for number in 0..<3000 { queue.withLock { $0.append(number) } }
            for _ in consumers { queue.withLock { $0.append(-1) } }
            let taken = try consumers.flatMap { try $0.join() }
            #expect(taken.sorted() == Array(0..<3000))
        }
    }

    // Broken by: a wait that ends before its deadline, never, or misses what came just in time.
    @Test func aDeadlineEndsAWait() throws {
        try within(.seconds(10)) {
            let monitor = Monitor<Bool>(false)
            let start = MonotonicTime.now
            let late: Bool? = monitor.wait(deadline: start + .milliseconds(40)) { $0 ? true : nil }
            #expect(late == nil)
            #expect(start.elapsed >= .milliseconds(40))
            let past: Bool? = monitor.wait(deadline: start) { $0 ? true : nil }
            #expect(past == nil)
            monitor.withLock { $0 = true }
            let done: Bool? = monitor.wait(deadline: start) { $0 ? true : nil }
            #expect(done == true)
            let setter = WorkerThread("set") { monitor.withLock { $0 = false } }
            let set: Bool? = monitor.wait(deadline: .now + .seconds(5)) { $0 ? nil : true }
            #expect(set == true)
            try setter.join()
        }
    }

    // Broken by: a lock kept after an error, which stops every other thread.
    @Test func anErrorUnderTheLockReleasesIt() throws {
        try within(.seconds(10)) {
            let monitor = Monitor<Int>(1)
            #expect(throws: Oops.self) { try monitor.withLock { _ in throw Oops() } }
            #expect(monitor.withLock { $0 } == 1)
        }
    }

    // Broken by: a clock that wall time moves, or arithmetic that loses its sign.
    @Test func timeArithmetic() {
        let time = MonotonicTime(nanoseconds: 1_000_000_000)
        #expect(time + .milliseconds(500) > time)
        #expect(time + .milliseconds(-500) < time)
        #expect((time + .milliseconds(500)) - time == .milliseconds(500))
        #expect(time - (time + .seconds(2)) == .seconds(-2))
        #expect(MonotonicTime(nanoseconds: 5) - MonotonicTime(nanoseconds: 9) == .nanoseconds(-4))
        #expect(time.elapsed > .zero)
        let first = MonotonicTime.now
        #expect(MonotonicTime.now >= first)
    }

    // Broken by: nanoseconds that overflow into the other sign.
    @Test(
        "whole nanoseconds",
        arguments: [
            (.zero, 0), (.nanoseconds(1), 1), (.seconds(3), 3_000_000_000),
            (.milliseconds(-1500), -1_500_000_000), (.nanoseconds(Int64.max), .max),
            (.nanoseconds(Int64.min), .min), (.nanoseconds(Int64.max) + .nanoseconds(1), .max),
            (.nanoseconds(Int64.min) - .nanoseconds(1), .min), (.seconds(Int64.max), .max),
            (.seconds(Int64.min), .min),
            (.seconds(9_223_372_036) + .milliseconds(900), .max),
        ] as [(Duration, Int64)])
    func nanoseconds(duration: Duration, count: Int64) {
        #expect(duration.inNanoseconds == count)
    }
}
