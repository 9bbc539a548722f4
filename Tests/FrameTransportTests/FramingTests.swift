import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

@testable import FrameTransport

@Suite("Frames over a connection")
struct FramingTests {
    static let messages = [
        ClockProbe(sent: 1).frame(sequence: 0), DoneMessage().frame(sequence: 1),
        ConsoleInput(bytes: Array(0..<50)).frame(sequence: 2),
    ]
    static let stream = messages.flatMap { $0 }

    // Broken by: assuming that a frame arrives in one read.
    @Test func oneByteAtATime() throws {
        try within(.seconds(20)) {
            var wire = try Wire()
            let peer = try wire.peer.duplicate().release()
            let feeder = WorkerThread("drip") {
                let peer = OwnedDescriptor(owning: peer)
                for byte in Self.stream { try DescriptorIO.write([byte], to: peer.number) }
                _ = shutdown(peer.number, CInt(SHUT_WR))
            }
            let frames = try wire.drain()
            try feeder.join()
            #expect(frames.map(\.type) == [.clockProbe, .done, .consoleInput])
            #expect(try frames[0].decode(ClockProbe.self).sent == 1)
            #expect(try frames[2].decode(ConsoleInput.self).bytes.exposed == Array(0..<50))
        }
    }

    // Broken by: a frame lost or invented where two reads meet, at any byte.
    @Test func splitAtEveryByte() throws {
        try within(.seconds(20)) {
            for split in 1..<Self.stream.count {
                var wire = try Wire()
                try DescriptorIO.write(Array(Self.stream.prefix(split)), to: wire.peer.number)
                let peer = try wire.peer.duplicate().release()
                let feeder = WorkerThread("rest") {
                    let peer = OwnedDescriptor(owning: peer)
                    try DescriptorIO.write(
                        Array(Self.stream.dropFirst(split)), to: peer.number)
                    _ = shutdown(peer.number, CInt(SHUT_WR))
                }
                let frames = try wire.drain()
                try feeder.join()
                #expect(frames.count == 3, "split at \(split)")
            }
        }
    }

    // Broken by: an end inside a frame taken for the end of the conversation, or the reverse.
    @Test func theEndOfTheStream() throws {
        var ends: [Int] = [0]
        for message in Self.messages { ends.append((ends.last ?? 0) + message.count) }
        for count in 0...Self.stream.count {
            var wire = try Wire()
            try wire.feed(Array(Self.stream.prefix(count)))
            var frames: [Frame] = []
            let error = failure { frames = try wire.drain() }
            if let whole = ends.firstIndex(of: count) {
                #expect(error == nil && frames.count == whole, "ended after \(count)")
            } else {
                #expect(error?.code == .wire, "ended after \(count)")
                #expect(error?.what.contains("stream ended inside a frame") == true)
                #expect(error?.place == "beta")
            }
        }
    }

    // Broken by: a frame lost, repeated or exchanged on the way and nobody noticing.
    @Test(
        "frames out of order are refused",
        arguments: [
            ([1], "frame 1 came where 0 was due"), ([0, 2], "frame 2 came where 1 was due"),
            ([0, 0], "frame 0 came where 1 was due"), ([0, 1, 0], "frame 0 came where 2 was due"),
            ([2, 1, 0], "frame 2 came where 0 was due"),
        ] as [([Int], String)])
    func order(order: [Int], reason: String) throws {
        var wire = try Wire()
        try wire.feed(order.flatMap { Self.messages[$0] })
        let error = failure { _ = try wire.drain() }
        #expect(error?.code == .wire)
        #expect(error?.what.contains(reason) == true, "\(error?.what ?? "nothing")")
    }

    // Broken by: any flipped bit of a stream that is not noticed before the frame is used.
    @Test func aFlippedBitIsNoticed() throws {
        for bit in stride(from: 0, to: Self.messages[0].count * 8, by: 3) {
            var bytes = Self.messages[0]
            bytes[bit / 8] ^= 1 << (bit % 8)
            var wire = try Wire()
            try wire.feed(bytes)
            #expect(failure { _ = try wire.drain() }?.code == .wire, "bit \(bit)")
        }
    }

    // Broken by: a frame of a type that this version does not know passed on.
    @Test func anUnknownType() throws {
        for type in [3, 50, 227, 0xFFFF] as [UInt16] {
            var wire = try Wire()
            try wire.feed(Self.frame(type: type, length: 0))
            let error = failure { _ = try wire.drain() }
            #expect(error?.what.contains("frame type \(type) is not expected") == true)
        }
    }

    // Broken by: waiting for, or making room for, a payload that is over the limit.
    @Test func aPayloadOverTheLimit() throws {
        try within(.seconds(10)) {
            var wire = try Wire()
            try DescriptorIO.write(Self.frame(type: 1, length: .max), to: wire.peer.number)
            let error = failure { _ = try wire.channel.receive() }
            #expect(error?.what.contains("length 4294967295 is over the limit") == true)
        }
    }

    // Broken by: the peer's own words replaced by "unexpected frame".
    @Test func aFailureIsHandedOnAsItWasSaid() throws {
        let said = LivemigError(.lock, "disk is locked", at: "beta", fix: "wait")
        var wire = try Wire()
        try wire.feed(FailureMessage(said).frame(sequence: 0))
        let frame = try #require(try wire.channel.receive())
        #expect(failure { _ = try frame.decode(Prepared.self) } == said)
        #expect(try frame.decode(FailureMessage.self).error == said)
        let done = Frame(type: .done, payload: [])
        #expect(failure { _ = try done.decode(Prepared.self) }?.code == .wire)
        let long = Frame(type: .done, payload: [1])
        #expect(failure { _ = try long.decode(DoneMessage.self) }?.code == .wire)
    }

    // Broken by: a sequence that does not go on where the connection was handed over.
    @Test func countingGoesOnWhereItWas() throws {
        let pair = try UnixSocket.pair(.stream)
        var sender = FrameChannel(
            try DescriptorChannel(socket: try pair.first.duplicate()), at: "a", sent: 41)
        var receiver = FrameChannel(
            try DescriptorChannel(socket: try pair.second.duplicate()), at: "b", received: 41)
        try sender.send(DoneMessage())
        #expect(try receiver.receive()?.type == .done)
        #expect(sender.bytesSent == 32)
    }

    /// A frame's header with any type and length, its checksums right for no payload.
    static func frame(type: UInt16, length: UInt32) -> [UInt8] {
        var writer = WireWriter()
        for byte in "LMF1".utf8 { writer.integer(byte) }
        writer.integer(type)
        writer.integer(UInt16(0))
        writer.integer(length)
        writer.integer(UInt32(0))
        let nothing: [UInt8] = []
        writer.integer(unsafe Checksum.of(nothing.span.bytes))
        writer.integer(unsafe Checksum.of(writer.bytes.span.bytes))
        return writer.bytes
    }
}
