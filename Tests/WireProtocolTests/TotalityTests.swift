import MigrationModel
import TestSupport
import Testing
import WireProtocol

@Suite("Decoding is total")
struct TotalityTests {
    // Broken by: a field that is written but not read, or with another width or limit.
    @Test("random messages come back equal", arguments: MessageKind.all)
    func roundTrip(kind: MessageKind) throws {
        var random = Seeded(UInt64(kind.type.rawValue))
        for _ in 0..<40 {
            let (payload, isEqual) = try kind.roundTrip(&random)
            #expect(isEqual)
            #expect(payload.count <= WireLimits.payload)
            var annotator = Annotator(payload)
            annotator.take(kind.layout)
            #expect(annotator.rest.isEmpty, "the layout does not cover the payload")
        }
    }

    // Broken by: a decoder that reads beyond the end, or accepts less or more than all fields.
    @Test("no truncation and no extra byte is accepted", arguments: MessageKind.all)
    func truncation(kind: MessageKind) {
        let payload = Array(kind.golden.dropFirst(FrameHeader.size))
        for count in 0..<payload.count {
            let error = #expect(throws: WireError.self) {
                try kind.reencode(Array(payload.prefix(count)))
            }
            #expect(error == .truncated, "of \(count) bytes")
        }
        #expect(throws: WireError.trailing(1)) { try kind.reencode(payload + [0]) }
    }

    // Broken by: a checksum that does not cover a bit of header or payload.
    @Test("no flipped bit of a frame is accepted", arguments: MessageKind.all)
    func flippedFrame(kind: MessageKind) {
        for bit in 0..<kind.golden.count * 8 {
            var frame = kind.golden
            frame[bit / 8] ^= 1 << (bit % 8)
            #expect(!Self.isAccepted(frame), "bit \(bit)")
        }
    }

    // Broken by: a decoder that traps on, or does not give back, what a sender with a matching
    // checksum may send.
    @Test("a flipped bit of a payload is refused or is another value", arguments: MessageKind.all)
    func flippedPayload(kind: MessageKind) {
        let payload = Array(kind.golden.dropFirst(FrameHeader.size))
        for bit in 0..<payload.count * 8 {
            var other = payload
            other[bit / 8] ^= 1 << (bit % 8)
            guard let again = try? kind.reencode(other) else { continue }
            // Only an unknown error code is replaced by one that is known.
            let isFailure = [.failure, .aborted, .runDrainHook, .machineList, .claims].contains(
                kind.type)
            #expect(again == other || isFailure, "bit \(bit)")
        }
    }

    // Broken by: any trap on bytes that make no sense.
    @Test("random bytes never trap", arguments: MessageKind.all)
    func randomBytes(kind: MessageKind) {
        var random = Seeded(0xBAD ^ UInt64(kind.type.rawValue))
        for _ in 0..<300 {
            var bytes = random.bytes(random.below(200))
            // Small counts get further than random ones.
            for index in bytes.indices where index % 4 != 0 && random.flag() { bytes[index] = 0 }
            _ = try? kind.reencode(bytes)
            #expect(!Self.isAccepted(bytes))
        }
    }

    private static func isAccepted(_ frame: [UInt8]) -> Bool {
        let size = min(FrameHeader.size, frame.count)
        guard
            let head = try? unsafe FrameHeader(
                decoding: frame.span.bytes.extracting(first: size), expecting: 7)
        else { return false }
        let payload = Array(frame.dropFirst(FrameHeader.size))
        return (try? unsafe head.verify(payload.span.bytes)) != nil
    }
}
