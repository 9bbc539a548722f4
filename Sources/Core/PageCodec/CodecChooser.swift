/// What the operator asked for.
public enum CodecPolicy: String, Hashable, Sendable, CaseIterable {
    /// The codec that moves the guest's bytes fastest, found by measuring.
    case auto
    /// Always as they are.
    case none
    /// Always LZ4.
    case lz4
    /// Always zstd.
    case zstd
}

/// Learns, per lane, which codec moves the guest's bytes fastest.
///
/// A pure value: the same measurements lead to the same choices. What it minimises is time per
/// byte of guest data, encoding and writing together, so it finds the scarce resource without
/// being told: on a slow link the strongest codec wins, on a fast one copying does.
///
/// It measures in blocks of consecutive batches with one codec. Sending is buffered: what a batch
/// costs is felt only while the buffers are full, so the start of a block is not counted until
/// twice as much was written as the buffers hold (they drain meanwhile), and one batch at least. At
/// first each codec gets one block; after that the best one runs, and now and then a loser gets a
/// block, so rarely that losers take less than `probeShare` of the time, and so of the batches. A
/// codec that does not shrink the data to 1/`minimumRatio` is not chosen at all: what it could win
/// is less than its processor time.
public struct CodecChooser: Hashable, Sendable {
    /// The least ratio of bytes before to bytes after that makes a codec worth choosing.
    public static let minimumRatio = 1.05
    /// The largest share of time spent on codecs that are known to lose.
    public static let probeShare = 0.05
    /// How much less time the challenger must take to replace the best codec.
    static let margin = 0.02
    /// Batches counted in a block.
    static let measuredBatches = 8
    /// Batches not counted at the start of a block, at most.
    static let maximumSettling = 64
    /// The weight of the newest block in a running mean.
    static let newest = 0.5

    /// What was asked for.
    public let policy: CodecPolicy
    /// The codec to use for the next batch.
    public private(set) var codec: Codec
    private let settlingBytes: Int
    private var estimates: [Estimate?]
    private var best: Codec?
    private var block = Block()
    /// The codec of the last block.
    private var streakCodec = Codec.none
    /// How many blocks in a row it had.
    private var streakBlocks = 0
    /// Nanoseconds that losers may use now; grows while the best codec runs.
    private var credit = 0.0
    private var lastProbed = Codec.none

    /// The measured cost of a codec.
    struct Estimate: Hashable, Sendable {
        /// Nanoseconds per byte of data before coding.
        var cost: Double
        /// Bytes before coding per byte after.
        var ratio: Double
    }

    /// The measurements of the block in progress.
    private struct Block: Hashable, Sendable {
        var batches = 0
        var allBytes = 0.0
        var settledBytes = 0
        var counted = 0
        var rawBytes = 0.0
        var encodedBytes = 0.0
        var nanoseconds = 0.0
    }

    /// Starts without knowledge.
    /// - Parameters:
    ///   - policy: anything but `auto` fixes the codec.
    ///   - bufferedBytes: what the lane may hold between the encoder and the wire: socket send
    ///     buffer plus the transport's window.
    public init(policy: CodecPolicy, bufferedBytes: Int = 2 << 20) {
        self.policy = policy
        settlingBytes = 2 * min(max(0, bufferedBytes), 1 << 30)
        estimates = Array(repeating: nil, count: Codec.allCases.count)
        codec =
            switch policy {
            case .auto, .lz4: .lz4
            case .none: .none
            case .zstd: .zstd
            }
    }

    /// Notes what the last batch took; it must have been encoded with `codec`.
    ///
    /// Batches without data pages teach nothing and are ignored.
    /// - Parameters:
    ///   - rawBytes: bytes of its data pages before coding.
    ///   - encodedBytes: bytes of its data pages after coding.
    ///   - elapsed: encoding and writing together.
    public mutating func record(rawBytes: Int, encodedBytes: Int, elapsed: Duration) {
        guard policy == .auto, rawBytes > 0, encodedBytes > 0, elapsed >= .zero else { return }
        let parts = elapsed.components
        let nanoseconds = Double(parts.seconds) * 1e9 + Double(parts.attoseconds) / 1e9
        if let best { credit += nanoseconds * (codec == best ? Self.probeShare : -1) }
        block.batches += 1
        block.allBytes += Double(rawBytes)
        let isSettling =
            block.batches == 1
            || block.settledBytes < settlingBytes
                && block.batches <= Self.maximumSettling
        block.settledBytes += encodedBytes
        guard !isSettling else { return }
        block.counted += 1
        block.rawBytes += Double(rawBytes)
        block.encodedBytes += Double(encodedBytes)
        block.nanoseconds += nanoseconds
        if block.counted == Self.measuredBatches { endBlock() }
    }

    /// The measured ratio of a codec, `nil` before its first block.
    public func ratio(of codec: Codec) -> Double? { estimates[Int(codec.rawValue)]?.ratio }

    // MARK: Between blocks

    private mutating func endBlock() {
        learn()
        let batchBytes = block.allBytes / Double(block.batches)
        block = Block()
        guard let unknown = Self.order.first(where: { estimates[Int($0.rawValue)] == nil }) else {
            best = cheapest()
            codec = best ?? .none
            probeIfAffordable(batchBytes)
            return
        }
        codec = unknown
    }

    /// The order in which codecs get their first block, the safest guess first.
    private static let order: [Codec] = [.lz4, .none, .zstd]

    private mutating func learn() {
        let new = Estimate(
            cost: block.nanoseconds / block.rawBytes,
            ratio: block.rawBytes / block.encodedBytes)
        streakBlocks = codec == streakCodec ? streakBlocks + 1 : 1
        streakCodec = codec
        // What was measured before the codec last paused says nothing now, and the first block
        // after a change may still have filled a buffer: only then do means make sense.
        guard streakBlocks > 2, let old = estimates[Int(codec.rawValue)] else {
            estimates[Int(codec.rawValue)] = new
            return
        }
        estimates[Int(codec.rawValue)] = Estimate(
            cost: old.cost + (new.cost - old.cost) * Self.newest,
            ratio: old.ratio + (new.ratio - old.ratio) * Self.newest)
    }

    /// The codec with the least cost; the present best wins unless beaten by the margin.
    private func cheapest() -> Codec? {
        var winner: (codec: Codec, cost: Double)?
        for candidate in Self.order {
            guard let estimate = estimates[Int(candidate.rawValue)],
                candidate == .none || estimate.ratio >= Self.minimumRatio
            else { continue }
            let cost = estimate.cost * (candidate == best ? 1 - Self.margin : 1)
            if let known = winner, known.cost <= cost { continue }
            winner = (candidate, cost)
        }
        return winner?.codec
    }

    /// Gives a loser a block once the best codec has run long enough to pay for it.
    ///
    /// - Parameter batchBytes: bytes of data a batch has at present.
    private mutating func probeIfAffordable(_ batchBytes: Double) {
        guard let best else { return }
        let losers = Self.order.filter { $0 != best }
        guard let candidate = losers.first(where: { $0 != lastProbed }),
            let estimate = estimates[Int(candidate.rawValue)]
        else { return }
        let settling = min(
            Double(Self.maximumSettling) * batchBytes, Double(settlingBytes) * estimate.ratio)
        let bytes = batchBytes * Double(1 + Self.measuredBatches) + settling
        guard credit >= bytes * estimate.cost else { return }
        lastProbed = candidate
        codec = candidate
    }
}
