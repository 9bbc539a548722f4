public import FrameTransport
public import LinuxSystem
public import MigrationModel
import PageCodec
import WireProtocol

/// Places the pages that come on one lane.
///
/// Runs on a thread of its own until the lane ends.
public struct LaneReceiver: ~Copyable {
    private let lane: Int
    private let board: PlacementBoard
    private let image: DestinationImage
    private var decoder: BatchDecoder
    private var digest = ImageDigest()
    private var round: UInt32 = 0
    private var batches: UInt64 = 0

    /// A receiver for a lane, numbered from 0.
    public init(lane: Int, board: PlacementBoard, image: DestinationImage) throws(LivemigError) {
        self.lane = lane
        self.board = board
        self.image = image
        decoder = try BatchDecoder(key: image.key)
    }

    /// Places pages until the lane ends.
    /// - Throws: `E-WIRE` and its kin for a peer that does not keep to the protocol.
    public mutating func run<Channel: ByteChannel & ~Copyable>(
        on channel: inout FrameChannel<Channel>
    ) throws(LivemigError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: BatchLimits.payloadBytes, alignment: 64)
        defer { unsafe buffer.deallocate() }
        while let (type, length) = try unsafe channel.receive(into: buffer) {
            let payload = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<length]).bytes
            switch type {
            case .batch: try place(payload)
            case .roundEnd: try endRound(payload)
            default: throw wrong(.type(type.rawValue))
            }
        }
        guard batches == 0 else {
            throw LivemigError(.disconnected, "lane \(lane) ended inside round \(round)")
        }
        board.laneLeft()
    }

    private mutating func place(_ payload: RawSpan) throws(LivemigError) {
        try board.admit(round)
        do throws(BatchError) {
            _ = try unsafe decoder.decode(
                payload, round: round, into: image.bytes, table: image.table, digest: &digest,
                write: image.write)
            batches += 1
            board.batchPlaced()
        } catch {
            throw error.livemigError
        }
    }

    private mutating func endRound(_ payload: RawSpan) throws(LivemigError) {
        let end: RoundEnd
        do throws(WireError) {
            end = try RoundEnd(payload: payload)
        } catch {
            throw wrong(error)
        }
        guard end.round == round, end.batches == batches else {
            throw LivemigError(
                .wire,
                "lane \(lane) ended round \(end.round) with \(end.batches) batches, "
                    + "\(batches) of round \(round) came")
        }
        try image.requireIntact()
        try board.laneEnded(lane, round: round, digest: digest)
        round += 1
        batches = 0
    }

    private func wrong(_ error: WireError) -> LivemigError {
        LivemigError(.wire, "\(error)", at: "lane \(lane)")
    }
}
