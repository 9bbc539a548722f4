import FrameTransport
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// A part of a frame, by the bits that are turned over in it.
enum FramePart: String, CaseIterable, Sendable, CustomTestStringConvertible {
    /// Magic, type, flags and sequence.
    case header
    case length
    /// Where the payload starts and ends, and places in between.
    case payload
    /// Of the payload and of the header.
    case checksum

    var testDescription: String { rawValue }

    /// The numbers of the bits in a frame of so many bytes.
    func bits(of frame: Int) -> [Int] {
        switch self {
        case .header: Self.bits(0..<8) + Self.bits(12..<16)
        case .length: Self.bits(8..<12)
        case .payload:
            Self.bits(32..<min(frame, 48)) + Self.bits(max(32, frame - 16)..<frame)
                + Array(stride(from: 32 * 8 + 1, to: frame * 8, by: 997))
        case .checksum: Self.bits(16..<32)
        }
    }

    private static func bits(_ bytes: Range<Int>) -> [Int] {
        Array(bytes.lowerBound * 8..<bytes.upperBound * 8)
    }
}

@Suite("A bit that is turned over on the way")
struct BitFlipTests {
    /// A payload of a size that such a frame may have; what it means is not looked at before its
    /// checksum is right.
    private static func payload(_ type: FrameType) -> [UInt8] {
        var random = Seeded(UInt64(type.rawValue))
        switch type {
        case .batch, .deviceState, .consoleOutput: return random.bytes(20_000)
        default: return random.bytes(1 + Int(type.rawValue))
        }
    }

    private static func frame(_ type: FrameType, sequence: UInt32) -> [UInt8] {
        let payload = payload(type)
        let head = unsafe FrameHeader(
            type: type, payload: payload.span.bytes, sequence: sequence)
        return head.encoded + payload
    }

    /// What a receiver gets from a stream, and how it ends.
    private static func receive(_ stream: [UInt8]) -> (frames: Int, error: LivemigError?) {
        var channel = FrameChannel(MemoryChannel(stream), at: "peer")
        var frames = 0
        do throws(LivemigError) {
            while try channel.receive() != nil { frames += 1 }
            return (frames, nil)
        } catch {
            return (frames, error)
        }
    }

    // Broken by: a bit of any frame that no checksum covers, or whose frame is handed on before
    // the checksum is compared.
    @Test(
        "is noticed in every frame before the frame is used", arguments: FrameType.allCases,
        FramePart.allCases)
    func flipped(type: FrameType, part: FramePart) {
        let first = Self.frame(type, sequence: 0)
        // What follows is whole: a receiver must not find its way back to it.
        let second = Self.frame(type, sequence: 1)
        #expect(Self.receive(first + second).frames == 2)
        for bit in part.bits(of: first.count) {
            var stream = first + second
            stream[bit / 8] ^= 1 << (bit % 8)
            let (frames, error) = Self.receive(stream)
            #expect(frames == 0 && error?.code == .wire, "bit \(bit) of \(type)")
        }
    }

    // Broken by: a length that is believed because its header is whole, so that what follows is
    // read as something it is not.
    @Test(
        "in a length that was wrong before the header was sealed is noticed",
        arguments: FrameType.allCases)
    func wrongLength(type: FrameType) {
        let first = Self.frame(type, sequence: 0)
        let second = Self.frame(type, sequence: 1)
        for bit in 0..<32 {
            var head = Array(first.prefix(24))
            head[8 + bit / 8] ^= 1 << (bit % 8)
            var seal = WireWriter()
            seal.integer(unsafe Checksum.of(head.span.bytes))
            let (frames, error) = Self.receive(
                head + seal.bytes + first.dropFirst(32) + second)
            #expect(frames == 0 && error?.code == .wire, "bit \(bit) of \(type)")
        }
    }
}
