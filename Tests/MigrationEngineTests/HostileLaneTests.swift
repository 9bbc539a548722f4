import FrameTransport
import Glibc
import GuestMemory
import LinuxSystem
import MigrationModel
import PageCodec
import TestSupport
import Testing
import WireProtocol

@testable import MigrationEngine

/// What a peer may put on a lane that is not what was agreed.
struct Hostility: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let frames: [(FrameType, [UInt8])]
    /// Bytes after the frames.
    var tail: [UInt8] = []
    let code: ErrorCode
    let reason: String

    static let all: [Hostility] = [
        Hostility(
            testDescription: "a batch of a later round", frames: [(.batch, batch(round: 1))],
            code: .wire, reason: "batch of round 1 arrived in another round"),
        Hostility(
            testDescription: "the end of another round", frames: [end(round: 1, batches: 0)],
            code: .wire, reason: "ended round 1 with 0 batches"),
        Hostility(
            testDescription: "an end that counts too few batches",
            frames: [(.batch, batch(round: 0)), end(round: 0, batches: 0)], code: .wire,
            reason: "ended round 0 with 0 batches, 1 of round 0 came"),
        Hostility(
            testDescription: "an end that counts too many batches",
            frames: [(.batch, batch(round: 0)), end(round: 0, batches: 2)], code: .wire,
            reason: "ended round 0 with 2 batches, 1 of round 0 came"),
        Hostility(
            testDescription: "a page beyond the guest's memory",
            frames: [(.batch, batch(round: 0, page: 64))], code: .wireRange,
            reason: "beyond the guest's memory"),
        Hostility(
            testDescription: "the last page number there is",
            frames: [(.batch, batch(round: 0, page: .max))], code: .wireRange,
            reason: "beyond the guest's memory"),
        Hostility(
            testDescription: "a batch without pages",
            frames: [(.batch, batch(round: 0, runs: 0))], code: .wire, reason: "without pages"),
        Hostility(
            testDescription: "an empty batch", frames: [(.batch, [])], code: .wire,
            reason: "ends early"),
        Hostility(
            testDescription: "a round's end that is too short", frames: [(.roundEnd, [0, 0])],
            code: .wire, reason: "stream ended inside a frame"),
        Hostility(
            testDescription: "a message that is not for lanes",
            frames: [(.token, [])], code: .wire, reason: "frame type 134 is not expected"),
        Hostility(
            testDescription: "an end inside a frame", frames: [end(round: 0, batches: 0)],
            tail: [0x4C, 0x4D], code: .wire, reason: "stream ended inside a frame"),
        Hostility(
            testDescription: "an end inside a round", frames: [(.batch, batch(round: 0))],
            code: .disconnected, reason: "lane 0 ended inside round 0"),
        Hostility(
            testDescription: "bytes that are no frame", frames: [],
            tail: [UInt8](repeating: 0x55, count: 64), code: .wire, reason: "not a livemig frame"),
    ]

    static func end(round: UInt32, batches: UInt64) -> (FrameType, [UInt8]) {
        (.roundEnd, RoundEnd(round: round, batches: batches).payload)
    }

    /// A batch of one zero page, byte by byte as its layout says.
    static func batch(round: UInt32, page: UInt64 = 3, runs: UInt16 = 1) -> [UInt8] {
        var writer = WireWriter()
        writer.integer(round)
        writer.integer(UInt16(0))
        writer.integer(runs)
        writer.integer(UInt16(0))
        writer.integer(UInt16(0))
        writer.integer(UInt32(0))
        if runs > 0 {
            writer.integer(page)
            writer.integer(UInt16(1))
            writer.integer(UInt8(1))
            for _ in 0..<5 { writer.integer(UInt8(0)) }
        }
        return writer.bytes
    }
}

@Suite("A lane that does not keep to the protocol")
struct HostileLaneTests {
    // Broken by: any of these accepted, trapping, hanging, or ending without a typed error that
    // every other wait of the move sees too.
    @Test("is refused, and everything ends with that error", arguments: Hostility.all)
    func hostile(hostility: Hostility) throws {
        try within(.seconds(10)) {
            let rig = try Rig(pages: 64, lanes: 2)
            var none = PageBitmap(pageCount: 64)
            try rig.rounds.start(0, &none)
            let sockets = try [
                UnixSocket.pair(.stream).release(), UnixSocket.pair(.stream).release(),
            ]
            let receivers = sockets.enumerated().map { lane, ends in
                rig.receiver(lane, OwnedDescriptor(owning: ends.second))
            }
            let good = OwnedDescriptor(owning: sockets[1].first)
            // A lane that keeps to the protocol waits for the other at the end of the round.
            try DescriptorIO.write(
                RoundEnd(round: 0, batches: 0).frame(sequence: 0), to: good.number)
            let bad = OwnedDescriptor(owning: sockets[0].first)
            try Self.play(hostility, on: bad.number)
            let error = failure { try receivers[0].join() }
            #expect(error?.code == hostility.code)
            #expect(error?.what.contains(hostility.reason) == true, "\(error?.what ?? "nothing")")
            let whole = failure {
                _ = try rig.placement.waitUntilPlaced(rounds: 9, deadline: .now + .seconds(60))
            }
            #expect(whole == error)
            _ = shutdown(good.number, CInt(SHUT_WR))
            _ = failure { try receivers[1].join() }
        }
    }

    private static func play(_ hostility: Hostility, on socket: CInt) throws {
        for (sequence, (type, payload)) in hostility.frames.enumerated() {
            let head = unsafe FrameHeader(
                type: type, payload: payload.span.bytes, sequence: UInt32(sequence))
            try DescriptorIO.write(head.encoded + payload, to: socket)
        }
        try DescriptorIO.write(hostility.tail, to: socket)
        _ = shutdown(socket, CInt(SHUT_WR))
    }

    // Broken by: a lane that leaves between rounds while the others wait for it for ever.
    @Test("a lane that leaves early ends the round of the others", arguments: [false, true])
    func leaving(leavesFirst: Bool) throws {
        try within(.seconds(10)) {
            let rig = try Rig(pages: 64, lanes: 2)
            let sockets = try [
                UnixSocket.pair(.stream).release(), UnixSocket.pair(.stream).release(),
            ]
            let receivers = sockets.enumerated().map { lane, ends in
                rig.receiver(lane, OwnedDescriptor(owning: ends.second))
            }
            let stays = OwnedDescriptor(owning: sockets[1].first)
            let leaves = OwnedDescriptor(owning: sockets[0].first)
            let end = RoundEnd(round: 0, batches: 0).frame(sequence: 0)
            if leavesFirst {
                _ = shutdown(leaves.number, CInt(SHUT_WR))
                try DescriptorIO.write(end, to: stays.number)
            } else {
                try DescriptorIO.write(end, to: stays.number)
                _ = shutdown(leaves.number, CInt(SHUT_WR))
            }
            #expect(failure { try receivers[1].join() }?.code == .disconnected)
            _ = failure { try receivers[0].join() }
            #expect(rig.placement.failure?.code == .disconnected)
        }
    }

    // Broken by: a source that waits for ever when the destination closes a lane.
    @Test func theDestinationClosesALane() throws {
        try within(.seconds(20)) {
            let rig = try Rig(pages: 4096, lanes: 1)
            let (near, far) = try UnixSocket.pair(.stream).release()
            var random = Seeded(9)
            for page in 0..<1000 { rig.write(random.bytes(4096), page: page) }
            let sender = WorkerThread("send") {
                do throws(LivemigError) {
                    let socket = OwnedDescriptor(owning: near)
                    var channel = FrameChannel(
                        try DescriptorChannel(socket: socket, stall: .seconds(5), at: "beta"),
                        at: "beta")
                    var sender = try LaneSender(
                        lane: 0, board: rig.rounds, image: rig.source, compression: .none,
                        limiter: BandwidthLimiter(nil))
                    try sender.run(on: &channel)
                } catch {
                    rig.rounds.fail(error)
                    throw error
                }
            }
            var dirty = PageBitmap(pageCount: 4096)
            dirty.insert(0..<1000)
            try rig.rounds.start(0, &dirty)
            var some = [UInt8](repeating: 0, count: 5000)
            #expect(unsafe read(far, &some, some.count) > 0)
            close(far)
            #expect(failure { _ = try rig.rounds.waitUntilSent() }?.code == .disconnected)
            #expect(failure { try sender.join() }?.place == "beta")
        }
    }
}
