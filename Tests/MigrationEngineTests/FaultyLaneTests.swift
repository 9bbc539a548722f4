import FrameTransport
import GuestMemory
import LinuxSystem
import MigrationModel
import PageCodec
import TestSupport
import Testing
import WireProtocol

@testable import MigrationEngine

/// A real sender and a real receiver with a faulty connection between them.
@Suite("A lane on a faulty connection")
struct FaultyLaneTests {
    private static let pages = 160

    /// What came of sending a small guest in two rounds over one lane.
    private struct Outcome {
        let sender: LivemigError?
        let receiver: LivemigError?
        /// Whether the destination has all rounds and takes its memory for complete.
        let isPlaced: Bool
        let isEqual: Bool
        let bytes: UInt64
    }

    private static func send(
        _ faults: [FaultPoint], stall: Duration = .seconds(10)
    ) throws -> Outcome {
        try within(.seconds(20)) {
            let rig = try Rig(pages: pages, lanes: 1)
            var random = Seeded(0xFA17)
            for page in 0..<100 { rig.write(random.bytes(page % 3 == 0 ? 4096 : 40), page: page) }
            let (near, far) = try UnixSocket.pair(.stream).release()
            let sending = WorkerThread("send") {
                try send(over: OwnedDescriptor(owning: near), faults, rig)
            }
            let receiving = rig.receiver(0, OwnedDescriptor(owning: far), stall: stall)
            drive(rig)
            var bytes: UInt64 = 0
            let sender = failure { bytes = try sending.join() }
            let receiver = failure { try receiving.join() }
            let placed = failure {
                let digest = try rig.placement.waitUntilPlaced(rounds: 2, deadline: .now)
                // What the hand-over compares before anything is committed.
                guard digest == rig.rounds.digest else {
                    throw LivemigError(.verify, "digests differ")
                }
            }
            return Outcome(
                sender: sender, receiver: receiver, isPlaced: placed == nil,
                isEqual: rig.isEqual, bytes: bytes)
        }
    }

    private static func send(
        over socket: consuming OwnedDescriptor, _ faults: [FaultPoint], _ rig: Rig
    ) throws -> UInt64 {
        do throws(LivemigError) {
            let wire = try DescriptorChannel(socket: socket, stall: .seconds(5), at: "beta")
            var channel = FrameChannel(FaultChannel(wire, sending: faults), at: "beta")
            var sender = try LaneSender(
                lane: 0, board: rig.rounds, image: rig.source, compression: .none,
                limiter: BandwidthLimiter(nil))
            try sender.run(on: &channel)
            try channel.finish()
            return channel.bytesSent
        } catch {
            rig.rounds.fail(error)
            throw error
        }
    }

    /// Two rounds, the second of pages that changed.
    private static func drive(_ rig: Rig) {
        _ = failure {
            var dirty = PageBitmap(pageCount: pages)
            dirty.insert(0..<pages)
            try rig.rounds.start(0, &dirty)
            _ = try rig.rounds.waitUntilSent()
            try rig.rounds.waitUntilPlaced()
            rig.write([1, 2, 3], page: 7)
            rig.write([4, 5, 6], page: 130)
            dirty.insert(7..<8)
            dirty.insert(130..<131)
            try rig.rounds.start(1, &dirty)
            _ = try rig.rounds.waitUntilSent()
            try rig.rounds.waitUntilPlaced()
            rig.rounds.end()
        }
    }

    /// Faults that change what arrives.
    private static let harmful: [Fault] = [
        .cut, .flip(bit: 0), .flip(bit: 7), .lose(bytes: 1), .lose(bytes: 5000),
        .replay(bytes: 1), .replay(bytes: 32), .replay(bytes: 5000), .halfClose,
    ]

    // Broken by: damage anywhere in a lane after which the destination still takes its memory for
    // complete, or that leaves one end waiting for ever.
    @Test("never ends well when bytes were changed, lost or repeated", arguments: harmful)
    func harmed(fault: Fault) throws {
        let clean = try Self.send([])
        #expect(clean.sender == nil && clean.receiver == nil, "\(clean)")
        #expect(clean.isPlaced && clean.isEqual && clean.bytes > 100_000, "\(clean)")
        let last = clean.bytes - 1
        // In the first header, at its end, in the first batch, over the whole of both rounds, and
        // in the last byte of the last round's end.
        let places =
            [1, 8, 31, 32, 33] + stride(from: 40, to: last, by: Int(last / 6)) + [last]
        for place in places {
            // Where bytes are missing at the end, the receiver can only wait for them.
            let outcome = try Self.send(
                [FaultPoint(fault, after: place)], stall: .milliseconds(300))
            #expect(!outcome.isPlaced, "\(fault) after \(place): \(outcome)")
            #expect(outcome.receiver != nil, "\(fault) after \(place): \(outcome)")
        }
    }

    // Broken by: an end that gives up on a connection that is only slow, or a read that expects a
    // frame in one piece.
    @Test(
        "goes on when bytes are only late",
        arguments: [
            Fault.delay(.milliseconds(2)), .throttle(Bandwidth(bytesPerSecond: 4 << 20)),
        ])
    func late(fault: Fault) throws {
        let outcome = try Self.send([FaultPoint(fault, after: 5)])
        #expect(outcome.sender == nil && outcome.receiver == nil, "\(outcome)")
        #expect(outcome.isPlaced && outcome.isEqual, "\(outcome)")
    }

    // Broken by: a bit of a batch or of a round's end that is not covered between sender and
    // guest memory: every bit of headers and lengths, and every 211th of the pages.
    @Test("refuses every flipped bit of batches and of the end of a round")
    func flipped() throws {
        let stream = try Self.stream()
        let batch = stream[0].count
        let bits =
            Array(0..<(FrameHeader.size + 64) * 8)
            + stride(from: (FrameHeader.size + 64) * 8, to: batch * 8, by: 211)
            + Array(batch * 8..<stream.joined().count * 8)
        let whole = Array(stream.joined())
        #expect(try Self.place(whole) == nil)
        for bit in bits {
            var damaged = whole
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(try Self.place(damaged)?.code == .wire, "bit \(bit)")
        }
    }

    /// A batch of pages and the end of its round, as frames.
    private static func stream() throws -> [[UInt8]] {
        let key = PageHashKey(secret: 1)
        let memory = try GuestMemoryFile.create(size: ByteCount(16 * 4096))
        var random = Seeded(4)
        let content = random.bytes(2 * 4096)
        _ = unsafe content.withUnsafeBytes { unsafe memory.write($0, toPage: 3) }
        let image = try SourceImage(memory, key: key)
        var encoder = try BatchEncoder(key: key)
        var digest = ImageDigest()
        let pages: [UInt64] = [1, 3, 4]
        _ = try unsafe encoder.encode(
            pages.span, round: 0, memory: image.bytes, table: image.table, digest: &digest,
            codec: .none)
        let payload = encoder.withFrame { frame in
            unsafe frame.bytes.withUnsafeBytes { unsafe Array($0.dropFirst(FrameHeader.size)) }
        }
        let head = unsafe FrameHeader(type: .batch, payload: payload.span.bytes, sequence: 0)
        return [head.encoded + payload, RoundEnd(round: 0, batches: 1).frame(sequence: 1)]
    }

    /// Gives a stream to a real receiver; its error.
    private static func place(_ stream: [UInt8]) throws -> LivemigError? {
        let memory = try GuestMemoryFile.create(size: ByteCount(16 * 4096))
        let image = try DestinationImage(memory, key: PageHashKey(secret: 1))
        let board = PlacementBoard { _ in }
        board.begin(lanes: 1)
        return failure {
            var receiver = try LaneReceiver(lane: 0, board: board, image: image)
            var channel = FrameChannel(MemoryChannel(stream), at: "source")
            try receiver.run(on: &channel)
        }
    }
}
