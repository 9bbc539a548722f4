import FrameTransport
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

@Suite("Frames in memory that is there already, and two threads")
struct InPlaceTests {
    // Broken by: a header written over the payload, or a payload placed beyond its length.
    @Test("a frame in one piece arrives whole", arguments: [0, 1, 4096, 60_000])
    func inPlace(count: Int) throws {
        try within(.seconds(10)) {
            var random = Seeded(UInt64(count))
            let payload = random.bytes(count)
            let wire = try Wire()
            var bytes = [UInt8](repeating: 0xEE, count: FrameHeader.size) + payload
            var sender = FrameChannel(
                try DescriptorChannel(socket: try wire.peer.duplicate()), at: "a")
            var span = bytes.mutableSpan
            var raw = unsafe span.mutableBytes
            try sender.send(frame: &raw, type: .batch)
            #expect(sender.bytesSent == UInt64(FrameHeader.size + count))
            let wireChannel = wire.takeChannel()
            try Self.expect(payload, on: wireChannel)
        }
    }

    private static func expect(
        _ payload: [UInt8], on channel: consuming FrameChannel<DescriptorChannel>
    ) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: payload.count + 8, alignment: 8)
        defer { unsafe buffer.deallocate() }
        for index in buffer.indices { unsafe buffer[index] = 0xAA }
        let received = try unsafe channel.receive(into: buffer)
        #expect(received?.type == .batch)
        #expect(received?.length == payload.count)
        #expect(unsafe Array(buffer.prefix(payload.count)) == payload)
        #expect(unsafe buffer.suffix(8).allSatisfy { $0 == 0xAA })
    }

    // Broken by: a payload longer than the memory written beyond its end.
    @Test func aPayloadLongerThanTheMemory() throws {
        var wire = try Wire()
        try wire.feed(ConsoleInput(bytes: [1, 2, 3, 4]).frame(sequence: 0))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 7, alignment: 8)
        defer { unsafe buffer.deallocate() }
        let error = failure { _ = try unsafe wire.channel.receive(into: buffer) }
        #expect(error?.what.contains("length 8 is over the limit") == true)
    }

    // Broken by: counting shared by the two directions, which two threads would then confuse.
    @Test func oneThreadSendsWhileAnotherReceives() throws {
        try within(.seconds(20)) {
            let pair = try UnixSocket.pair(.stream)
            let ends = try (pair.first.duplicate().release(), pair.second.duplicate().release())
            let count: UInt64 = 2000
            let workers = [ends.0, ends.1].map { number in
                WorkerThread("end") { () throws -> UInt64 in
                    let socket = OwnedDescriptor(owning: number)
                    let copy = try socket.duplicate().release()
                    let sender = WorkerThread("send") {
                        var channel = FrameChannel(
                            try DescriptorChannel(socket: OwnedDescriptor(owning: copy)), at: "x")
                        for sent in 0..<count { try channel.send(ClockProbe(sent: sent)) }
                        try channel.finish()
                    }
                    var channel = FrameChannel(try DescriptorChannel(socket: socket), at: "y")
                    var expected: UInt64 = 0
                    while let frame = try channel.receive() {
                        #expect(try frame.decode(ClockProbe.self).sent == expected)
                        expected += 1
                    }
                    try sender.join()
                    return expected
                }
            }
            for worker in workers { #expect(try worker.join() == count) }
        }
    }
}

extension Wire {
    /// The channel alone; the peer's side is closed.
    consuming func takeChannel() -> FrameChannel<DescriptorChannel> { channel }
}
