public import MigrationModel

/// What a move was like, beside what was predicted.
public struct PredictionCheck: Hashable, Sendable {
    /// One figure.
    public struct Finding: Hashable, Sendable, CustomStringConvertible {
        /// What it is of.
        public let name: String
        /// What was predicted, in words.
        public let predicted: String
        /// What happened, in words.
        public let actual: String
        /// By which share of the nearer end it is outside: below zero when less than predicted, 0
        /// within.
        public let deviation: Double

        /// Whether it was within what was predicted.
        public var isWithin: Bool { deviation == 0 }

        /// Such as `blackout 41 ms, predicted 20–35 ms: 17 % more`.
        public var description: String {
            let text = "\(name) \(actual), predicted \(predicted)"
            guard !isWithin else { return text }
            let percent = max(1, Int(min(deviation.magnitude, 1e6) * 100 + 0.5))
            return "\(text): \(percent) % \(deviation > 0 ? "more" : "less")"
        }
    }

    /// Rounds, bytes, total time and blackout.
    public let findings: [Finding]

    /// Whether everything was as predicted.
    public var isWithin: Bool { findings.allSatisfy(\.isWithin) }
}

extension Prediction {
    /// Says whether what happened lies within what was predicted.
    public func check(against report: MigrationReport) -> PredictionCheck {
        let sent = ByteCount(report.wireBytes)
        let stop = report.downtime.total
        return PredictionCheck(findings: [
            PredictionCheck.Finding(
                name: "rounds",
                predicted: Words.range("\(rounds.lowerBound)", "\(rounds.upperBound)"),
                actual: "\(report.rounds)",
                deviation: Self.deviation(
                    Double(report.rounds),
                    Double(rounds.lowerBound)...Double(rounds.upperBound))),
            PredictionCheck.Finding(
                name: "bytes", predicted: Words.range("\(bytes.lowerBound)", "\(bytes.upperBound)"),
                actual: "\(sent)",
                deviation: Self.deviation(
                    Double(sent.bytes),
                    Double(bytes.lowerBound.bytes)...Double(bytes.upperBound.bytes))),
            PredictionCheck.Finding(
                name: "total", predicted: total.brief, actual: report.transfer.brief,
                deviation: Self.deviation(
                    report.transfer.seconds, total.lowerBound.seconds...total.upperBound.seconds)),
            PredictionCheck.Finding(
                name: "blackout", predicted: blackout.brief, actual: stop.brief,
                deviation: Self.deviation(
                    stop.seconds, blackout.lowerBound.seconds...blackout.upperBound.seconds)),
        ])
    }

    private static func deviation(_ actual: Double, _ range: ClosedRange<Double>) -> Double {
        if actual < range.lowerBound { return actual / range.lowerBound - 1 }
        guard actual > range.upperBound else { return 0 }
        return range.upperBound > 0 ? actual / range.upperBound - 1 : .infinity
    }
}
