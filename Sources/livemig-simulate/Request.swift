import Simulation

/// What the command line asks for.
struct Request {
    enum Work {
        case help, listMutants
        case trace(UInt64)
        case many(ClosedRange<UInt64>)
        case allMutants(ClosedRange<UInt64>)
    }

    static let usage = """
        usage: livemig-simulate --seed N [--mutant NAME]     print the trace of one seed
               livemig-simulate --seeds A-B [--mutant NAME]  run many seeds on all processors
               livemig-simulate --seeds A-B --all-mutants    insist that each mutant is found
               livemig-simulate --list-mutants
        exit code: 0 all promises kept, 1 a promise broken, 2 wrong usage
        """

    private(set) var work = Work.help
    private(set) var mutant: Mutant?

    init(_ arguments: [String]) throws(UsageError) {
        var rest = arguments[...]
        guard !rest.isEmpty else { throw UsageError(text: "nothing to do") }
        var isForAllMutants = false
        while let option = rest.popFirst() {
            switch option {
            case "--help", "-h": work = .help
            case "--all-mutants": isForAllMutants = true
            case "--list-mutants": work = .listMutants
            case "--seed":
                work = .trace(try Self.number(try Self.value(of: option, &rest)))
            case "--seeds": work = .many(try Self.range(try Self.value(of: option, &rest)))
            case "--mutant":
                let name = try Self.value(of: option, &rest)
                guard let found = Mutant(rawValue: name) else {
                    throw UsageError(text: "no mutant \(name); --list-mutants shows them")
                }
                mutant = found
            default: throw UsageError(text: "unknown option \(option)")
            }
        }
        guard isForAllMutants else { return }
        guard case .many(let seeds) = work, mutant == nil else {
            throw UsageError(text: "--all-mutants goes with --seeds A-B alone")
        }
        work = .allMutants(seeds)
    }

    private static func value(
        of option: String, _ rest: inout ArraySlice<String>
    ) throws(UsageError) -> String {
        guard let value = rest.popFirst() else {
            throw UsageError(text: "\(option) needs a value")
        }
        return value
    }

    private static func number(_ text: String) throws(UsageError) -> UInt64 {
        guard let number = UInt64(text) else { throw UsageError(text: "\(text) is no seed") }
        return number
    }

    private static func range(_ text: String) throws(UsageError) -> ClosedRange<UInt64> {
        let ends = text.split(separator: "-").map(String.init)
        guard ends.count == 2 else { throw UsageError(text: "seeds are given as A-B") }
        let (first, last) = (try number(ends[0]), try number(ends[1]))
        guard first <= last, last - first < .max else {
            throw UsageError(text: "\(text) is no range of seeds")
        }
        return first...last
    }
}

/// A command line that was not understood.
struct UsageError: Error {
    let text: String
}
