import MigrationModel

/// How far a round is, and how fast it goes.
///
/// Within a round it never goes back.
struct RoundPace: Sendable {
    private struct Sample {
        let time: Duration
        let done: UInt64
        let wireBytes: UInt64
    }

    private var samples: [Sample] = []
    /// The round's number.
    private(set) var number = 0
    /// Its pages, each of 4 KiB.
    private(set) var total: UInt64 = 0

    /// How many samples rates are taken from.
    private static let window = 20
    /// Into how many stretches those are cut to find the slowest and the fastest.
    private static let stretches = 4

    /// Takes a report of the source in.
    /// - Parameter time: since the move's beginning.
    mutating func add(_ message: RoundProgress, at time: Duration) {
        if message.round != number { samples = [] }
        number = message.round
        total = message.total
        samples.append(
            Sample(
                time: time, done: max(message.done, samples.last?.done ?? 0),
                wireBytes: message.wireBytes))
        samples.removeFirst(max(0, samples.count - Self.window))
    }

    /// Whether nothing is known of it.
    var isEmpty: Bool { samples.isEmpty }

    /// Pages that are not on their way yet.
    var pagesLeft: UInt64 { total - min(total, samples.last?.done ?? 0) }

    /// Of 100; full only at the end.
    var percent: Int {
        guard total > 0 else { return 100 }
        return Int(Double(total - pagesLeft) / Double(total) * 100)
    }

    /// Such as `45 % of 104 MiB`.
    var words: String { "\(percent) % of \(ByteCount(total.bytesOfPages))" }

    /// Bytes on the wire a second.
    var sendRate: Double? {
        guard let first = samples.first, let last = samples.last, last.time > first.time,
            last.wireBytes >= first.wireBytes
        else { return nil }
        return Double(last.wireBytes - first.wireBytes) / (last.time - first.time).seconds
    }

    /// Pages a second, in the slowest and the fastest stretch of late.
    var pageRates: MoveForecast.Rates? {
        guard samples.count > Self.stretches, pagesLeft > 0 else { return nil }
        let ends = (0...Self.stretches).map { samples[$0 * (samples.count - 1) / Self.stretches] }
        let rates = zip(ends, ends.dropFirst()).compactMap { before, after -> Double? in
            guard after.time > before.time, after.done > before.done else { return nil }
            return Double(after.done - before.done) / (after.time - before.time).seconds
        }
        guard let slow = rates.min(), let fast = rates.max() else { return nil }
        return (slow, fast)
    }
}

extension UInt64 {
    /// The bytes of that many pages, saturating.
    var bytesOfPages: UInt64 {
        let (product, overflow) = multipliedReportingOverflow(by: 4096)
        return overflow ? .max : product
    }
}
