public import MigrationModel

/// What is known of a guest and of the way to its destination, from which a move is predicted.
///
/// Where several measurements were made, a range holds the least and the greatest.
public struct Measurements: Hashable, Sendable {
    /// A span of time in which it was counted which pages the guest writes.
    public typealias Window = GuestMeasurement.Window

    /// Pages in use, zero pages included.
    public var populatedPages: UInt64
    /// How many of them are zeros, which cost next to nothing.
    public var zeroPages: UInt64
    /// The most pages that the guest writes at all; `nil` where only the windows say.
    public var workingSetPages: UInt64?
    /// Windows of increasing length.
    public var windows: [Window]
    /// What the lanes carry together.
    public var laneRate: ClosedRange<Bandwidth>
    /// Bytes of guest memory for a byte on the wire.
    public var codingRatio: ClosedRange<Double>
    /// What the engine reckons that the hand-over costs besides the last pages and a round-trip.
    public var handOver: Duration
    /// What the device state takes on this path, beyond what experience with others includes.
    public var deviceState: Duration = .zero
    /// What it is known to have cost.
    public var stop: ClosedRange<Duration>
    /// From the source to the destination and back.
    public var roundTrip: Duration
    /// The longest stop to aim for.
    public var downtimeBudget: Duration
    /// The most that the move may use of the lanes.
    public var bandwidthLimit: Bandwidth?

    /// States measurements.
    public init(
        populatedPages: UInt64, zeroPages: UInt64 = 0, workingSetPages: UInt64? = nil,
        windows: [Window], laneRate: ClosedRange<Bandwidth>, codingRatio: ClosedRange<Double>,
        handOver: Duration, stop: ClosedRange<Duration>? = nil, roundTrip: Duration,
        downtimeBudget: Duration, bandwidthLimit: Bandwidth? = nil
    ) {
        self.populatedPages = populatedPages
        self.zeroPages = zeroPages
        self.workingSetPages = workingSetPages
        self.windows = windows
        self.laneRate = laneRate
        self.codingRatio = codingRatio
        self.handOver = handOver
        self.stop = stop ?? handOver...handOver
        self.roundTrip = roundTrip
        self.downtimeBudget = downtimeBudget
        self.bandwidthLimit = bandwidthLimit
    }

    /// What the move can use: the lanes, within the limit.
    public var usableRate: ClosedRange<Bandwidth> {
        guard let limit = bandwidthLimit else { return laneRate }
        return min(laneRate.lowerBound, limit)...min(laneRate.upperBound, limit)
    }
}

extension Measurements: CustomStringConvertible {
    /// Such as `dirty 38 MiB/s over a 210 MiB working set · lanes 112 MiB/s · coding 4.1 : 1`.
    public var description: String {
        var parts: [String] = []
        if let longest = windows.max(by: { $0.length < $1.length }) {
            let pages = Double(longest.dirtiedPages.upperBound)
            let rate = min(pages * 4096 / max(longest.length.seconds, 1e-3), 9e18)
            let set = (workingSetPages ?? longest.dirtiedPages.upperBound).inMemory
            parts.append(
                "dirty \(Bandwidth(bytesPerSecond: UInt64(rate))) over a \(set) working set")
        } else {
            parts.append("what the guest writes is not known")
        }
        let rate = usableRate
        let lanes = Words.range("\(rate.lowerBound)", "\(rate.upperBound)")
        parts.append("lanes \(lanes)" + (bandwidthLimit == nil ? "" : " by the limit"))
        let ratio = [codingRatio.lowerBound, codingRatio.upperBound]
            .map { Words.tenths(Int(min(max($0, 0), 1e6) * 1000)) }
        parts.append("coding \(ratio[0] == ratio[1] ? ratio[0] : "\(ratio[0])–\(ratio[1])") : 1")
        return parts.joined(separator: " · ")
    }
}

extension UInt64 {
    /// So many pages as bytes.
    var inMemory: ByteCount {
        let (bytes, overflow) = multipliedReportingOverflow(by: 4096)
        return ByteCount(overflow ? .max : bytes)
    }
}
