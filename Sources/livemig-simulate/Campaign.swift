import Glibc
import Simulation

/// Many seeds on all processors.
struct Campaign: Sendable {
    let seeds: ClosedRange<UInt64>
    let mutant: Mutant?

    /// How many seeds a processor takes at once.
    private static let share: UInt64 = 50

    private struct Tally: Sendable {
        var seeds = 0
        var events = 0
        var moves = 0
        var first: Simulation.Result?
    }

    /// Runs them all, or up to the first that breaks a promise, and says what came of it.
    /// - Returns: whether every promise was kept.
    func run() async -> Bool {
        let start = ContinuousClock.now
        let total = await tally()
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let rate = Int(Double(total.seeds) / max(seconds, 0.001))
        let tenths = Int(seconds * 10)
        print(
            "\(total.seeds) seeds in \(tenths / 10).\(tenths % 10) s, \(rate) seeds/s, "
                + "\(total.events) events, \(total.moves) moves")
        guard let first = total.first else { return true }
        print(first.sentence(mutant))
        let option = mutant.map { " --mutant \($0.name)" } ?? ""
        print("replay: swift run livemig-simulate --seed \(first.seed)\(option)")
        return false
    }

    /// The first seed that breaks a promise.
    func first() async -> Simulation.Result? { await tally().first }

    private func tally() async -> Tally {
        await withTaskGroup(of: Tally.self) { group in
            var next: UInt64? = seeds.lowerBound
            func addShare() {
                guard let begin = next else { return }
                let end = begin + min(Self.share - 1, seeds.upperBound - begin)
                next = end < seeds.upperBound ? end + 1 : nil
                group.addTask { run(begin...end) }
            }
            for _ in 0..<max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))) { addShare() }
            var total = Tally()
            for await part in group {
                total.seeds += part.seeds
                total.events += part.events
                total.moves += part.moves
                if let found = part.first, total.first.map({ found.seed < $0.seed }) ?? true {
                    total.first = found
                }
                if total.first == nil { addShare() }
            }
            return total
        }
    }

    private func run(_ share: ClosedRange<UInt64>) -> Tally {
        var tally = Tally()
        for seed in share {
            let result = Simulation.run(seed: seed, mutant: mutant)
            tally.seeds += 1
            tally.events += result.events
            tally.moves += result.moves
            if result.violation != nil {
                tally.first = result
                break
            }
        }
        return tally
    }
}
