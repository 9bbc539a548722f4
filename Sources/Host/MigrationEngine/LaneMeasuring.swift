public import FrameTransport
public import LinuxSystem
public import MigrationModel
public import PageCodec
import WireProtocol

/// Sends pages of a guest on a lane that is opened to be measured: coded as in a move, counted at
/// the other end, and placed nowhere.
///
/// Runs on the thread that owns the connection.
public struct LaneMeasuring: ~Copyable {
    /// What a lane did with its share of a sample.
    public struct Share: Hashable, Sendable {
        /// Bytes on the wire; none where nothing was sent.
        public var wireBytes: UInt64 = 0
        /// Pages that were coded.
        public var pages: UInt64 = 0
        /// Pages of zeros among them.
        public var zeroPages: UInt64 = 0
        /// From the first page to the word that all of them have arrived.
        public var time: Duration = .zero

        /// A share of which nothing is done yet.
        public init() {}

        /// Two shares, one after the other.
        public static func + (first: Share, second: Share) -> Share {
            var sum = first
            sum.wireBytes += second.wireBytes
            sum.pages += second.pages
            sum.zeroPages += second.zeroPages
            sum.time += second.time
            return sum
        }
    }

    private let image: SourceImage
    private let limiter: BandwidthLimiter
    private var encoder: BatchEncoder
    private var chooser: CodecChooser
    private var digest = ImageDigest()
    private var number: UInt32 = 0

    /// How long the lanes are sent to before it counts: codecs are tried, and windows open.
    public static let warmUp: Duration = .milliseconds(250)
    /// How long a share is sent at most.
    public static let timeLimit: Duration = .milliseconds(400)

    /// Prepares a lane.
    ///
    /// - Parameters:
    ///   - image: guest RAM.
    ///   - compression: how pages may be coded.
    ///   - limiter: shared by all lanes.
    public init(
        _ image: SourceImage, compression: CodecPolicy, limiter: BandwidthLimiter
    ) throws(LivemigError) {
        self.image = image
        self.limiter = limiter
        encoder = try BatchEncoder(key: image.key, headerGap: FrameHeader.size)
        chooser = CodecChooser(policy: compression)
    }

    /// Measures how long it takes to the other end and back: the shortest of several times.
    public mutating func roundTrip<Channel: ByteChannel & ~Copyable>(
        on channel: inout FrameChannel<Channel>
    ) throws(LivemigError) -> Duration {
        var shortest = Duration.seconds(86_400)
        for _ in 0..<4 {
            let start = MonotonicTime.now
            try settle(channel: &channel)
            shortest = min(shortest, start.elapsed)
        }
        return shortest
    }

    /// Sends blocks of pages until they or the time are over, and waits until they have arrived.
    ///
    /// - Parameters:
    ///   - blocks: pages, ascending, at most `BatchLimits.pages` in each, of which none was sent
    ///     before; those that are sent are taken away.
    ///   - limit: how long.
    ///   - channel: the lane.
    public mutating func send<Channel: ByteChannel & ~Copyable>(
        _ blocks: inout ArraySlice<[UInt64]>, for limit: Duration,
        on channel: inout FrameChannel<Channel>
    ) throws(LivemigError) -> Share {
        var share = Share()
        let start = MonotonicTime.now
        while start.elapsed < limit, let block = blocks.popFirst() {
            let began = MonotonicTime.now
            let batch = try encode(block)
            share.pages += UInt64(block.count)
            share.zeroPages += UInt64(batch.zero)
            guard !batch.isEmpty else { continue }
            let before = channel.bytesSent
            limiter.pass(batch.payloadBytes)
            try encoder.withFrame { (frame) throws(LivemigError) in
                try channel.send(frame: &frame, type: .batch)
            }
            share.wireBytes += channel.bytesSent - before
            chooser.record(
                rawBytes: batch.rawBytes, encodedBytes: batch.encodedBytes, elapsed: began.elapsed)
        }
        try settle(channel: &channel)
        share.time = start.elapsed
        return share
    }

    /// Waits until everything has arrived.
    private mutating func settle<Channel: ByteChannel & ~Copyable>(
        channel: inout FrameChannel<Channel>
    ) throws(LivemigError) {
        number += 1
        try channel.send(LaneProbe(number: number))
        guard let frame = try channel.receive() else {
            throw LivemigError(.disconnected, "the destination ended the measurement")
        }
        let answer = try frame.decode(LaneProbed.self)
        guard answer.number == number else {
            throw LivemigError(.wire, "probe \(answer.number) was answered, \(number) was sent")
        }
    }

    private mutating func encode(_ pages: [UInt64]) throws(LivemigError) -> EncodedBatch {
        let image = image
        let batch: EncodedBatch
        do throws(BatchError) {
            batch = try unsafe encoder.encode(
                pages.span, round: 0, memory: image.bytes, table: image.table, digest: &digest,
                codec: chooser.codec)
        } catch {
            throw error.livemigError
        }
        try image.requireIntact()
        return batch
    }
}
