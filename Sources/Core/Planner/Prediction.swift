public import MigrationModel

/// What a move would be like, as ranges, with what they were computed from.
///
/// The move is gone through on paper for each combination of the favourable and the unfavourable
/// ends of what was measured. A range holds the least and the greatest of what came out.
public struct Prediction: Hashable, Sendable {
    /// Whether the move would come to its switchover.
    public enum Convergence: Hashable, Sendable {
        /// It would, at every end of the measurements.
        case converges
        /// It would at some; at all of them from a rate on, if at any.
        case uncertain(sureFrom: Bandwidth?)
        /// It would not; below a rate surely not, and at no rate where there is none.
        case never(below: Bandwidth?)
    }

    /// What was measured.
    public let measurements: Measurements
    /// Rounds, the last one with the guest stopped included.
    public let rounds: ClosedRange<Int>
    /// Bytes on the wire.
    public let bytes: ClosedRange<ByteCount>
    /// From the first page to the guest running on the destination.
    public let total: ClosedRange<Duration>
    /// For how long the guest stands still; where the move does not converge, if it were switched
    /// over all the same once the rule has given up.
    public let blackout: ClosedRange<Duration>
    /// Whether the move would come to its switchover.
    public let convergence: Convergence

    /// Predicts a move.
    public init(_ measurements: Measurements) {
        let rates = measurements.usableRate
        var moves: [ModelledMove] = []
        for end in DirtyCurve.End.allCases {
            let curve = DirtyCurve(measurements, end)
            let stop = measurements.stop(end)
            for rate in [rates.lowerBound, rates.upperBound] {
                for ratio in [
                    measurements.codingRatio.lowerBound, measurements.codingRatio.upperBound,
                ] {
                    moves.append(
                        ModelledMove(
                            measurements, curve, rate: Double(rate.bytesPerSecond), ratio: ratio,
                            stop: stop))
                }
            }
        }
        self.measurements = measurements
        rounds = Self.range(of: moves.map(\.rounds))
        bytes = Self.range(of: moves.map { ByteCount(UInt64(min($0.bytes, 9e18))) })
        total = Self.range(of: moves.map { .seconds($0.total) })
        blackout = Self.range(of: moves.map { .seconds($0.blackout) })
        if moves.allSatisfy(\.converges) {
            convergence = .converges
        } else if moves.contains(where: \.converges) {
            convergence = .uncertain(sureFrom: Self.leastRate(measurements, .unfavourable))
        } else {
            convergence = .never(below: Self.leastRate(measurements, .favourable))
        }
    }

    /// Memory in use.
    public var populated: ByteCount { measurements.populatedPages.inMemory }

    private static func range<Value: Comparable>(of values: [Value]) -> ClosedRange<Value> {
        // Eight moves were gone through, so there are ends.
        guard let low = values.min(), let high = values.max() else { preconditionFailure() }
        return low...high
    }

    /// The rates between which a sufficient one is looked for, in bytes a second.
    private static let rates = 1e3...1e12

    /// The least rate that a move converges at, with all else at one end; rounded up to a Mbit/s.
    private static func leastRate(
        _ measurements: Measurements, _ end: DirtyCurve.End
    ) -> Bandwidth? {
        let curve = DirtyCurve(measurements, end)
        let ratios = measurements.codingRatio
        let ratio = end == .favourable ? ratios.upperBound : ratios.lowerBound
        let converges = { (rate: Double) in
            ModelledMove(
                measurements, curve, rate: rate, ratio: ratio, stop: measurements.stop(end)
            ).converges
        }
        var (low, high) = (rates.lowerBound, rates.upperBound)
        guard converges(high) else { return nil }
        while high - low > 1e3, high > low * 1.001 {
            let middle = (low * high).squareRoot()
            if converges(middle) { high = middle } else { low = middle }
        }
        return Bandwidth(bytesPerSecond: UInt64((high / 125e3).rounded(.up)) * 125_000)
    }
}

extension Measurements {
    fileprivate func stop(_ end: DirtyCurve.End) -> Duration {
        end == .favourable ? stop.lowerBound : stop.upperBound
    }
}

extension Prediction: CustomStringConvertible {
    /// Such as `3–4 rounds · 4.1–6.0 s · blackout 20–35 ms (budget 300 ms) · converges`.
    public var description: String {
        let count = Words.range("\(rounds.lowerBound)", "\(rounds.upperBound)")
        let noun = rounds.upperBound == 1 ? "round" : "rounds"
        let budget = measurements.downtimeBudget.brief
        return "\(count) \(noun) · \(total.brief) · blackout \(blackout.brief) (budget \(budget))"
            + " · \(convergenceWords)"
    }

    /// Whether the move would converge, in words, such as `will not converge below 410 Mbit/s`.
    public var convergenceWords: String {
        switch convergence {
        case .converges: "converges"
        case .uncertain(let rate?): "may not converge below \(rate.megabits)"
        case .uncertain(nil): "may not converge at any rate"
        case .never(let rate?): "will not converge below \(rate.megabits)"
        case .never(nil): "will not converge at any rate"
        }
    }
}

extension Bandwidth {
    /// Such as `410 Mbit/s`, rounded up.
    var megabits: String {
        let (whole, rest) = bytesPerSecond.quotientAndRemainder(dividingBy: 125_000)
        return "\(whole + (rest > 0 ? 1 : 0)) Mbit/s"
    }
}

extension ClosedRange<Duration> {
    /// Such as `4.1–6.0 s`.
    public var brief: String { Words.range(lowerBound.brief, upperBound.brief) }
}
