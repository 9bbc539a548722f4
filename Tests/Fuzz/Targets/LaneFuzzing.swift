import FrameTransport
import GuestMemory
import LinuxSystem
import MigrationEngine
import MigrationModel
import PageCodec
import TestSupport
import WireProtocol

/// Feeds a script of frames to the one lane of a move, as its source would send them.
///
/// Selector 0 is a batch, 1 the end of a round, others are any frame type.
enum LaneFuzzing {
    static let pages = 32
    static let key = PageHashKey(secret: 0x5EC2_E7)

    static func run(_ input: [UInt8]) throws(BrokenPromise) -> FuzzTarget.Outcome {
        let stream = Script(input[...]).stream { selector in
            switch selector {
            case 0: .batch
            case 1: .roundEnd
            default: FrameType.allCases[Int(selector) % FrameType.allCases.count]
            }
        }
        do throws(LivemigError) {
            try place(stream)
            return .accepted
        } catch {
            _ = "\(error)"
            try promise(error.code != .internal, "\(error)")
            return .refused
        }
    }

    private static func place(_ stream: [UInt8]) throws(LivemigError) {
        let size = ByteCount(UInt64(pages) * GuestMemoryFile.pageSize)
        let image = try DestinationImage(try GuestMemoryFile.create(size: size), key: key)
        let board = PlacementBoard { _ in }
        board.begin(lanes: 1)
        var receiver = try LaneReceiver(lane: 0, board: board, image: image)
        var channel = FrameChannel(MemoryChannel(stream), at: "source")
        try receiver.run(on: &channel)
        _ = try board.waitUntilPlaced(rounds: board.round, deadline: .now)
    }
}
