import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// What guests that run may still take counts when another one comes, starts or is restored.
@Suite(.serialized) struct MemoryAdmissionTests {
    /// Shares of the machine's memory that are more than all of it together.
    ///
    /// The guests touch next
    /// to nothing of theirs.
    private static let large = Memory.totalMebibytes * 56 / 100
    private static let other = Memory.totalMebibytes * 45 / 100
    private static let workload = "fill=1MiB rate=1MiB/s"

    // Breaks when a start, a restoration or a move overlooks what others were promised.
    @Test(.timeLimit(.minutes(2))) func whatGuestsMayStillTake() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        for host in ["alpha", "beta"] {
            try someone.succeed("host", "settings", host, "--memory-reserve", "1MiB")
        }
        let large = try someone.definition("large", Self.workload, memory: Self.large)
        try someone.succeed("vm", "define", large, "--on", "alpha")
        for (name, host) in [("a", "alpha"), ("b", "beta")] {
            let file = try someone.definition(name, Self.workload, memory: Self.other)
            try someone.succeed("vm", "define", file, "--on", host)
        }
        try someone.succeed("vm", "start", "large")
        // A second one beside it.
        try someone.run("vm", "start", "a").expect(.memory, "other guests may still take")
        // One that comes.
        try someone.succeed("vm", "start", "b")
        let check = try someone.run("check", "large", "--to", "beta")
        #expect(check.output.contains("E-NOMEM"), "\(check)")
        let move = try someone.run("move", "large", "--to", "beta")
        move.expect(.memory)
        move.expectRunning("large", on: "alpha")
        // One that is restored.
        try someone.succeed("vm", "save", "large")
        try someone.succeed("vm", "start", "a")
        try someone.run("vm", "start", "large").expect(.memory, "other guests may still take")
        #expect(try someone.succeed("vm", "show", "large").output.contains("saved"))
        try someone.succeed("vm", "stop", "a")
        try someone.succeed("vm", "start", "large")
    }

    // Breaks when two starts at the same time do not see each other.
    @Test(.timeLimit(.minutes(1))) func startsAtTheSameTime() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try someone.succeed("host", "settings", "alpha", "--memory-reserve", "1MiB")
        for (name, memory) in [("a", Self.other), ("b", Self.large)] {
            let file = try someone.definition(name, Self.workload, memory: memory)
            try someone.succeed("vm", "define", file, "--on", "alpha")
        }
        let starts = try ["a", "b"].map { try someone.begin(["vm", "start", $0]) }
        let results = try starts.map { try $0.finish().status }
        #expect(results.sorted() == [0, ExitCode.resources.rawValue], "\(results)")
    }
}
