import FrameTransport
import Glibc
import GuestMemory
import LinuxSystem
import MigrationModel
import PageCodec
import TestSupport
import WireProtocol

@testable import MigrationEngine

/// Both ends of a move's data path in one process: two memory files, lanes over socket pairs.
final class Rig: Sendable {
    let pages: Int
    let sourceFile: GuestMemoryFile
    let destinationFile: GuestMemoryFile
    let source: SourceImage
    let destination: DestinationImage
    let rounds: RoundBoard
    let placement: PlacementBoard

    init(pages: Int, lanes: Int) throws {
        self.pages = pages
        let size = ByteCount(UInt64(pages) * GuestMemoryFile.pageSize)
        sourceFile = try GuestMemoryFile.create(size: size)
        destinationFile = try GuestMemoryFile.create(size: size)
        let key = PageHashKey(secret: 0x5EC2E7)
        source = try SourceImage(sourceFile, key: key)
        destination = try DestinationImage(destinationFile, key: key)
        let rounds = RoundBoard(pageCount: pages, lanes: lanes)
        self.rounds = rounds
        placement = PlacementBoard { (round) throws(LivemigError) in try rounds.placed(round) }
        placement.begin(lanes: lanes)
    }

    /// Starts both ends of every lane; an error on one end fails that end's board, as an agent
    /// does.
    func start(lanes: Int, compression: CodecPolicy = .auto) throws -> [WorkerThread<Void>] {
        let limiter = BandwidthLimiter(nil)
        var workers: [WorkerThread<Void>] = []
        for lane in 0..<lanes {
            let (near, far) = try UnixSocket.pair(.stream).release()
            workers.append(
                WorkerThread("send \(lane)") {
                    try self.send(lane, OwnedDescriptor(owning: near), compression, limiter)
                })
            workers.append(receiver(lane, OwnedDescriptor(owning: far)))
        }
        return workers
    }

    private func send(
        _ lane: Int, _ socket: consuming OwnedDescriptor, _ compression: CodecPolicy,
        _ limiter: BandwidthLimiter
    ) throws(LivemigError) {
        do throws(LivemigError) {
            var channel = FrameChannel(
                try DescriptorChannel(socket: socket, stall: .seconds(10)), at: "destination")
            var sender = try LaneSender(
                lane: lane, board: rounds, image: source, compression: compression,
                limiter: limiter)
            try sender.run(on: &channel)
            try channel.finish()
        } catch {
            rounds.fail(error)
            throw error
        }
    }

    /// The receiving end of a lane, which gives up after some silence.
    func receiver(
        _ lane: Int, _ socket: consuming OwnedDescriptor, stall: Duration = .seconds(10)
    ) -> WorkerThread<Void> {
        let number = socket.release()
        return WorkerThread("place \(lane)") {
            do throws(LivemigError) {
                let socket = OwnedDescriptor(owning: number)
                var channel = FrameChannel(
                    try DescriptorChannel(socket: socket, stall: stall), at: "source")
                var receiver = try LaneReceiver(
                    lane: lane, board: self.placement, image: self.destination)
                try receiver.run(on: &channel)
            } catch {
                self.placement.fail(error)
                self.rounds.fail(error)
                throw error
            }
        }
    }

    /// Writes into the source's guest memory.
    func write(_ bytes: [UInt8], page: Int, offset: Int = 0) {
        let start = page * Int(GuestMemoryFile.pageSize) + offset
        let number = sourceFile.descriptor.number
        _ = unsafe pwrite(number, bytes, bytes.count, off_t(start))
    }

    /// Whether both memories are the same, byte for byte.
    var isEqual: Bool {
        let (near, far) = unsafe (source.bytes, destination.bytes)
        guard let first = near.baseAddress, let second = far.baseAddress else {
            return false
        }
        return unsafe memcmp(first, second, near.count) == 0
    }

    /// The digest of the destination's table, computed from nothing.
    var placedDigest: ImageDigest { ImageDigest(of: destination.table) }
}

/// The error of code that must fail with a `LivemigError`.
func failure(_ body: () throws -> Void) -> LivemigError? {
    do {
        try body()
        return nil
    } catch {
        return error as? LivemigError
    }
}
