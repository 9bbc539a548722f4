public import FrameTransport
public import LinuxSystem
public import MigrationModel
public import PageCodec
import WireProtocol

/// Sends pages on one lane until the board says stop.
///
/// Runs on the thread that owns the connection.
public struct LaneSender: ~Copyable {
    private let lane: Int
    private let board: RoundBoard
    private let image: SourceImage
    private let limiter: BandwidthLimiter
    private var encoder: BatchEncoder
    private var chooser: CodecChooser
    private var digest = ImageDigest()
    private var pages: [UInt64] = []

    /// A sender for a lane.
    ///
    /// - Parameters:
    ///   - lane: its number, from 0.
    ///   - board: where rounds are put up.
    ///   - image: guest RAM.
    ///   - compression: how pages may be coded.
    ///   - limiter: shared by all lanes.
    public init(
        lane: Int, board: RoundBoard, image: SourceImage, compression: CodecPolicy,
        limiter: BandwidthLimiter
    ) throws(LivemigError) {
        self.lane = lane
        self.board = board
        self.image = image
        self.limiter = limiter
        encoder = try BatchEncoder(key: image.key, headerGap: FrameHeader.size)
        chooser = CodecChooser(policy: compression)
        pages.reserveCapacity(BatchLimits.pages)
    }

    /// Sends until the board says stop or something fails.
    public mutating func run<Channel: ByteChannel & ~Copyable>(
        on channel: inout FrameChannel<Channel>
    ) throws(LivemigError) {
        board.laneOpened()
        var ended: UInt32?
        var batches: UInt64 = 0
        while true {
            switch try board.claim(after: ended, into: &pages) {
            case .pages(let round):
                if try send(round, on: &channel) { batches += 1 }
            case .endOfRound(let round):
                let before = channel.bytesSent
                try channel.send(RoundEnd(round: round, batches: batches))
                board.laneEnded(lane, digest: digest, wireBytes: channel.bytesSent - before)
                ended = round
                batches = 0
            case .stop:
                return
            }
        }
    }

    /// Codes and sends the claimed pages; `false` when none of them had changed.
    private mutating func send<Channel: ByteChannel & ~Copyable>(
        _ round: UInt32, on channel: inout FrameChannel<Channel>
    ) throws(LivemigError) -> Bool {
        let start = MonotonicTime.now
        let batch = try encode(round)
        guard !batch.isEmpty else {
            board.add(batch, wireBytes: 0)
            return false
        }
        let before = channel.bytesSent
        try board.rest(until: limiter.reserve(batch.payloadBytes))
        try encoder.withFrame { (frame) throws(LivemigError) in
            try channel.send(frame: &frame, type: .batch)
        }
        if batch.rawBytes > 0 {
            chooser.record(
                rawBytes: batch.rawBytes, encodedBytes: batch.encodedBytes,
                elapsed: start.elapsed)
        }
        board.activity.note()
        board.add(batch, wireBytes: channel.bytesSent - before)
        return true
    }

    private mutating func encode(_ round: UInt32) throws(LivemigError) -> EncodedBatch {
        let (image, pages) = (image, pages)
        var digest = digest
        let batch: EncodedBatch
        do throws(BatchError) {
            batch = try unsafe encoder.encode(
                pages.span, round: round, memory: image.bytes, table: image.table,
                digest: &digest, codec: chooser.codec)
        } catch {
            throw error.livemigError
        }
        try image.requireIntact()
        self.digest = digest
        return batch
    }
}
