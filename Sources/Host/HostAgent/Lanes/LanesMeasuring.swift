import FrameTransport
import GuestMemory
import LinuxSystem
import MigrationEngine
import MigrationModel
import PageCodec
import SSHTransport
import WireProtocol

/// Opens as many lanes to a destination as a move would, and sends samples of a guest on them.
struct LanesMeasuring: Sendable {
    let root: HostRoot
    let peer: StartOutgoing.Peer
    let policy: MigrationPolicy
    let image: SourceImage
    let count: Int
    /// Of what the guest uses and does not write now: it tells the rate as well.
    let calm: PageSample
    /// Of what the guest writes.
    let written: PageSample
    /// Pages that nobody needs, to tell the rate by where the guest uses too few.
    let filler: LaneFiller?

    /// A share of fewer bytes says less of the rate than of buffers.
    private static let leastBytes: UInt64 = 8 << 20
    /// So little says nothing at all, in bytes.
    private static let fewestBytes: UInt64 = 256 << 10
    /// How long all lanes may take to open.
    private static let openLimit: Duration = .seconds(15)

    /// What came of it.
    struct Outcome: Sendable {
        let lanes: GuestMeasurement.Lanes
        /// Bytes of memory for a byte on the wire, of each sample that said something.
        let ratios: [Double]
        /// Which part of the pages in use are zeros.
        let zeroShare: Double
    }

    /// What one lane did, or all together.
    private struct LaneResult: Sendable {
        var roundTrip: Duration
        var warmUp = LaneMeasuring.Share()
        var calm = LaneMeasuring.Share()
        var written = LaneMeasuring.Share()
        var filler = LaneMeasuring.Share()
    }

    /// Measures.
    /// - Throws: `E-NET` for a route that is not measured; as `SSHBulkChannel.init`; what the
    ///   destination says.
    func run() throws(LivemigError) -> Outcome {
        guard policy.path == .direct else {
            throw LivemigError(.network, "lanes that this machine relays are not measured")
        }
        let endpoint = try LaneOpener.endpoint(of: peer, root)
        let command = try LaneOpener.command()
        let limiter = BandwidthLimiter(policy.bandwidth)
        let gate = Gate(count)
        let threads = (0..<count).map { lane in
            WorkerThread("measure \(lane)") {
                try gate.failing { () throws(LivemigError) in
                    let channel = try SSHBulkChannel(to: endpoint, running: command)
                    return try measure(lane, channel, gate, limiter)
                }
            }
        }
        var results: [LaneResult] = []
        var failure: LivemigError?
        for thread in threads {
            do { results.append(try thread.join()) } catch let error as LivemigError {
                failure = failure ?? error
            } catch {
                failure = failure ?? LivemigError(.internal, "\(error)")
            }
        }
        if let failure { throw gate.cause ?? failure }
        return try summary(results)
    }

    private func measure(
        _ lane: Int, _ channel: consuming SSHBulkChannel, _ gate: Gate,
        _ limiter: BandwidthLimiter
    ) throws(LivemigError) -> LaneResult {
        var frames = FrameChannel(channel, at: peer.name)
        try frames.sendBanner(.agent)
        _ = try frames.receiveBanner()
        try frames.send(LaneProbe(number: 0))
        guard let answer = try frames.receive() else {
            throw LivemigError(
                .disconnected, "the destination ended the connection", at: peer.name)
        }
        _ = try answer.decode(LaneProbed.self)
        var measuring = try LaneMeasuring(
            image, compression: CodecPolicy(policy.compression), limiter: limiter)
        var result = LaneResult(roundTrip: try measuring.roundTrip(on: &frames))
        var blocks = calm.part(of: lane, among: count)[...]
        try gate.waitForAll(deadline: .now + Self.openLimit)
        result.warmUp = try measuring.send(&blocks, for: LaneMeasuring.warmUp, on: &frames)
        try gate.waitForAll(deadline: .now + Self.openLimit)
        result.calm = try measuring.send(&blocks, for: LaneMeasuring.timeLimit, on: &frames)
        blocks = written.part(of: lane, among: count)[...]
        try gate.waitForAll(deadline: .now + Self.openLimit)
        result.written = try measuring.send(&blocks, for: LaneMeasuring.timeLimit, on: &frames)
        if let filler {
            var filling = try LaneMeasuring(filler.image, compression: .none, limiter: limiter)
            blocks = filler.sample.part(of: lane, among: count)[...]
            try gate.waitForAll(deadline: .now + Self.openLimit)
            result.filler = try filling.send(&blocks, for: LaneMeasuring.timeLimit, on: &frames)
        }
        try frames.finish()
        return result
    }

    private func summary(_ results: [LaneResult]) throws(LivemigError) -> Outcome {
        guard var all = results.first else {
            throw LivemigError(.internal, "no lane was measured")
        }
        for result in results.dropFirst() {
            all.roundTrip = min(all.roundTrip, result.roundTrip)
            all.warmUp = all.warmUp.beside(result.warmUp)
            all.calm = all.calm.beside(result.calm)
            all.written = all.written.beside(result.written)
            all.filler = all.filler.beside(result.filler)
        }
        let inUse = all.warmUp + all.calm
        // What was sent while lanes warmed up counts only where there is nothing better.
        let shares = [all.calm, all.written].filter { $0.wireBytes >= Self.leastBytes }
        let little = all.filler.pages > 0 ? all.filler : inUse + all.written
        let rates = (shares.isEmpty ? [little] : shares).compactMap(Self.rate)
        guard let low = rates.min(), let high = rates.max() else {
            throw LivemigError(.network, "the lanes carried too little to be measured")
        }
        return Outcome(
            lanes: GuestMeasurement.Lanes(
                count: count,
                rate: Bandwidth(
                    bytesPerSecond: UInt64(low))...Bandwidth(bytesPerSecond: UInt64(high)),
                roundTrip: all.roundTrip),
            ratios: [inUse, all.written].compactMap(\.ratio),
            zeroShare: inUse.pages > 0 ? Double(inUse.zeroPages) / Double(inUse.pages) : 0)
    }

    private static func rate(_ share: LaneMeasuring.Share) -> Double? {
        guard share.wireBytes >= fewestBytes, share.time > .zero else { return nil }
        return Double(share.wireBytes) / share.time.seconds
    }
}

extension LaneMeasuring.Share {
    /// What two lanes did at the same time.
    fileprivate func beside(_ other: Self) -> Self {
        var both = self + other
        both.time = max(time, other.time)
        return both
    }

    /// Bytes of memory for a byte on the wire; `nil` of a few pages, which say nothing of others.
    fileprivate var ratio: Double? {
        guard wireBytes > 0, pages >= zeroPages + 64 else { return nil }
        return Double(pages - zeroPages) * 4096 / Double(wireBytes)
    }
}

/// Memory with pages of noise, for lanes to be measured by: the destination counts and keeps none.
struct LaneFiller: Sendable {
    /// Enough for fast lanes; slow ones are stopped by time.
    private static let size = ByteCount.mebibytes(32)

    let image: SourceImage
    let sample: PageSample

    /// Makes noise.
    /// - Throws: `E-RESOURCE` when the host has no memory for it.
    init() throws(LivemigError) {
        let memory = try GuestMemoryFile.create(size: Self.size)
        var random = SystemRandomNumberGenerator()
        let words = (0..<Int(GuestMemoryFile.pageSize) / 8).map { _ in random.next() }
        var pages = PageBitmap(pageCount: memory.pageCount)
        for page in 0..<memory.pageCount {
            // No two pages alike, and none that a codec would make smaller.
            let content = words.map { $0 ^ (UInt64(page) &* 0x9E37_79B9_7F4A_7C15) }
            let isWritten = unsafe content.withUnsafeBytes {
                unsafe memory.write($0, toPage: UInt64(page))
            }
            guard isWritten else { throw LivemigError(.resource, "no memory to measure with") }
        }
        pages.insert(0..<memory.pageCount)
        sample = PageSample(of: pages, limit: memory.pageCount)
        image = try SourceImage(memory, key: PageHashKey(secret: .random(in: .min ... .max)))
    }
}

/// Where the threads of several lanes wait for each other, so that all send at once.
private final class Gate: Sendable {
    private struct State {
        var arrived = 0
        var failure: LivemigError?
    }

    private let count: Int
    private let state = Monitor(State())

    init(_ count: Int) { self.count = count }

    /// The first failure of a lane.
    var cause: LivemigError? { state.withLockUnnoticed { $0.failure } }

    /// Waits until as many have come as there are lanes.
    /// - Throws: another lane's failure, `E-STALL` when one does not come.
    func waitForAll(deadline: MonotonicTime) throws(LivemigError) {
        let turn = state.withLock { state in
            state.arrived += 1
            return (state.arrived + count - 1) / count * count
        }
        let result = state.wait(deadline: deadline) { state -> Result<Void, LivemigError>? in
            if let failure = state.failure { return .failure(failure) }
            return state.arrived >= turn ? .success(()) : nil
        }
        guard let result else {
            throw LivemigError(.stall, "not all lanes opened in time")
        }
        try result.get()
    }

    /// Runs a lane's work; its failure wakes the others.
    func failing<Value>(
        _ work: () throws(LivemigError) -> Value
    ) throws(LivemigError) -> Value {
        do throws(LivemigError) {
            return try work()
        } catch {
            state.withLock { $0.failure = $0.failure ?? error }
            throw error
        }
    }
}
