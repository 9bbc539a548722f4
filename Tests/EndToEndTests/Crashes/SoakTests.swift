import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Many moves to and fro, at random moments cancelled and robbed of processes; `Scripts/soak` runs
/// many more than every run of the tests.
@Suite(.serialized) struct SoakTests {
    /// How many moves.
    private static let moves = Repository.number("LIVEMIG_SOAK_MOVES") ?? 12
    /// What decides them.
    ///
    /// Every run of the tests has cancellations and a kill among its moves.
    private static let seed = Repository.text("LIVEMIG_SOAK_SEED").flatMap { UInt64($0) } ?? 392

    /// How many cancelled moves a guardian lives through.
    private static let cancellations = min(max(3, moves / 10), 20)

    /// Moves between two lines of progress.
    private static let pace = 10

    // Breaks when a move, a cancellation or a kill at any moment ends with other than one running
    // guest with whole memory, leaves something behind, or makes a command say what is not true.
    @Test(.timeLimit(.minutes(2 + moves / 10))) func soak() throws {
        let plan = (1...Self.moves).map { SoakMove($0, seed: Self.seed) }
        if Repository.number("LIVEMIG_SOAK_MOVES") == nil {
            #expect(plan.contains(where: \.isCancelled) && plan.contains(where: \.isKilled))
        }
        say("soak: \(Self.moves) moves, seed \(Self.seed)")
        let soak = try Soak(seed: Self.seed)
        defer { say(soak.figures.summary) }
        for move in plan {
            let faults = try soak.run(move)
            try #require(
                faults.isEmpty,
                """
                seed \(Self.seed), \(move):
                \(faults.joined(separator: "\n"))
                """)
            if move.number % Self.pace == 0 { say(soak.figures.progress) }
        }
    }

    // Breaks when a guardian keeps something of every move that it lives through.
    @Test(.timeLimit(.minutes(2 + moves / 10))) func guardianDoesNotGrow() throws {
        let shuttle = try Shuttle()
        var growth = GuardianGrowth()
        for _ in 0...Self.cancellations {
            let move = try shuttle.begin([
                "--bandwidth", "1MiB/s", "--compression", "none", "--output", "json",
            ])
            try move.wait(for: #""phase":"pre-copy""#)
            move.signal(SIGINT)
            let result = try move.finish()
            #expect(result.status == ExitCode.cancelled.rawValue)
            #expect(try shuttle.check(after: result) == [])
            growth.note(try #require(shuttle.source.processIDs(with: " guard ").first))
        }
        let longest = try #require(growth.longest)
        say("guardian of cancelled moves \(growth)")
        #expect(longest.moves == Self.cancellations)
        #expect(longest.after.descriptors == longest.before.descriptors)
        #expect(longest.after.threads == longest.before.threads)
        // A page more now and then is the allocator's; a copy of anything of a move is more.
        #expect(longest.after.memory - longest.before.memory < 256 + 8 * longest.moves)
    }

    /// Says something on the terminal at once.
    private func say(_ text: String) {
        try? DescriptorIO.write(Array((text + "\n").utf8), to: STDERR_FILENO)
    }
}
