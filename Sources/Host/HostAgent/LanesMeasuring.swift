import FrameTransport
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
    /// One after the other, each by all lanes at once.
    let samples: [PageSample]

    /// A sample of which less was sent says nothing of the rate, in bytes.
    private static let leastBytes: UInt64 = 512 << 10
    /// How long all lanes may take to open.
    private static let openLimit: Duration = .seconds(15)

    /// What came of it.
    struct Outcome: Sendable {
        let lanes: GuestMeasurement.Lanes
        /// Bytes of memory for a byte on the wire, of each sample that said something.
        let ratios: [Double]
        /// Which part of the pages in use are zeros; of the first sample that had pages.
        let zeroShare: Double
    }

    /// What one lane did with each sample.
    private struct LaneResult: Sendable {
        var roundTrip: Duration
        var shares: [LaneMeasuring.Share]
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
        var result = LaneResult(roundTrip: try measuring.roundTrip(on: &frames), shares: [])
        for sample in samples {
            try gate.waitForAll(deadline: .now + Self.openLimit)
            result.shares.append(
                try measuring.send(sample.part(of: lane, among: count), on: &frames))
        }
        try frames.finish()
        return result
    }

    private func summary(_ results: [LaneResult]) throws(LivemigError) -> Outcome {
        var rates: [Double] = []
        var ratios: [Double] = []
        var zeroShare: Double?
        for number in samples.indices {
            let shares = results.map { $0.shares[number] }
            let bytes = shares.reduce(0) { $0 + $1.wireBytes }
            let pages = shares.reduce(0) { $0 + $1.pages }
            let zeros = shares.reduce(0) { $0 + $1.zeroPages }
            if pages > 0, zeroShare == nil { zeroShare = Double(zeros) / Double(pages) }
            let seconds = shares.map(\.time.seconds).max() ?? 0
            if bytes > 0, pages > zeros {
                ratios.append(Double(pages - zeros) * 4096 / Double(bytes))
            }
            if bytes >= Self.leastBytes, seconds > 0 { rates.append(Double(bytes) / seconds) }
        }
        guard let low = rates.min(), let high = rates.max() else {
            throw LivemigError(
                .network, "the guest uses too little memory to measure the lanes by")
        }
        return Outcome(
            lanes: GuestMeasurement.Lanes(
                count: count,
                rate: Bandwidth(
                    bytesPerSecond: UInt64(low))...Bandwidth(bytesPerSecond: UInt64(high)),
                roundTrip: results.map(\.roundTrip).min() ?? .zero),
            ratios: ratios, zeroShare: zeroShare ?? 0)
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
