import ArgumentParser
import Foundation

@main
struct LivemigBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "livemig-benchmark", abstract: "Measure livemig on this machine.")

    enum Part: String, CaseIterable, ExpressibleByArgument {
        case move, engine, harvest, codec, memory, verify, plan, predict
    }

    @Argument(help: "What to measure.")
    var parts: [Part] = Part.allCases

    @Option(help: "How often.")
    var runs = 5

    func run() throws {
        for part in parts {
            switch part {
            case .move: try MoveBenchmark(runs: runs).run()
            case .engine: try EngineBenchmark(runs: runs).run()
            case .harvest: try HarvestBenchmark(runs: runs).run()
            case .codec: try CodecBenchmark(runs: runs).run()
            case .memory: try MemoryBenchmark().run()
            case .verify: try VerifyBenchmark(runs: runs).run()
            case .predict: try PredictionBenchmark(runs: runs).run()
            case .plan: try PlanBenchmark(runs: runs).run()
            }
        }
    }
}

/// Minimum, median and maximum of some measurements.
struct Spread: CustomStringConvertible {
    let values: [Double]
    let unit: String

    init(_ values: [Double], _ unit: String) {
        self.values = values.sorted()
        self.unit = unit
    }

    var median: Double { values.isEmpty ? .nan : values[values.count / 2] }

    var description: String {
        let format = { (value: Double) in String(format: value < 10 ? "%.2f" : "%.0f", value) }
        return "min \(format(values.first ?? .nan))  median \(format(median))  "
            + "max \(format(values.last ?? .nan)) \(unit)"
    }
}
