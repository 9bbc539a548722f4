import Glibc
import Simulation

/// Runs seeds of the hand-over's simulation; its own reading of arguments keeps the release build
/// of this program to the core.
@main enum Entry {
    static func main() async {
        do {
            exit(try await run(Request(Array(CommandLine.arguments.dropFirst()))) ? 0 : 1)
        } catch {
            print("livemig-simulate: \(error.text)", "", Request.usage, separator: "\n")
            exit(2)
        }
    }

    private static func run(_ request: Request) async throws(UsageError) -> Bool {
        switch request.work {
        case .help: print(Request.usage)
        case .listMutants: for mutant in Mutant.allCases { print(mutant.name) }
        case .trace(let seed): return trace(seed, request.mutant)
        case .allMutants(let seeds): return await findAll(in: seeds)
        case .many(let seeds): return await Campaign(seeds: seeds, mutant: request.mutant).run()
        }
        return true
    }

    /// Whether each mutant is found, with the first seed that does.
    private static func findAll(in seeds: ClosedRange<UInt64>) async -> Bool {
        var isComplete = true
        for mutant in Mutant.allCases {
            let found = await Campaign(seeds: seeds, mutant: mutant).first()
            print(found?.sentence(mutant) ?? "NOT FOUND: \(mutant.name)")
            if found == nil { isComplete = false }
        }
        return isComplete
    }

    private static func trace(_ seed: UInt64, _ mutant: Mutant?) -> Bool {
        let result = Simulation.run(seed: seed, mutant: mutant, keepsTrace: true)
        for line in result.trace { print(line) }
        print(result.sentence(mutant))
        return result.violation == nil
    }
}

extension Simulation.Result {
    /// The last line: what came of the seed.
    func sentence(_ mutant: Mutant?) -> String {
        let name = mutant.map { " with \($0.name)" } ?? ""
        guard let violation else { return "seed \(seed)\(name): clean, \(moves) moves" }
        return "seed \(seed)\(name): VIOLATION after \(violation.time) ms: \(violation.promise)"
    }
}
