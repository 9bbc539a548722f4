import CXXHash

/// The fixed head of every frame, 32 bytes, all numbers little-endian.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | magic `LMF1` |
/// | 4 | 2 | type, never 0 |
/// | 6 | 2 | flags, 0 |
/// | 8 | 4 | length of the payload |
/// | 12 | 4 | sequence: 0 for the first frame of a direction, then one more each |
/// | 16 | 8 | XXH3-64 of the payload |
/// | 24 | 8 | XXH3-64 of bytes 0–23 |
///
/// The header has a checksum of its own so that the length can be trusted before the payload is
/// read. The checksums find faults of memory and software; SSH keeps attackers out.
public struct FrameHeader: Hashable, Sendable {
    /// The size in bytes.
    public static let size = 32
    static let magic: UInt32 = 0x3146_4D4C

    /// What the frame carries.
    public let type: UInt16
    /// The bytes that follow the header.
    public let length: Int
    /// The frame's number in its direction.
    public let sequence: UInt32
    /// The checksum of what follows.
    public let checksum: UInt64

    /// The header of a payload.
    public init(type: FrameType, payload: RawSpan, sequence: UInt32) {
        precondition(payload.byteCount <= WireLimits.payload, "a payload beyond the own limit")
        self.type = type.rawValue
        length = payload.byteCount
        self.sequence = sequence
        checksum = Checksum.of(payload)
    }

    /// Reads a header that claims to be the next of its direction.
    /// - Throws: what is wrong with it, before its length is used for anything.
    public init(decoding bytes: RawSpan, expecting sequence: UInt32) throws(WireError) {
        guard bytes.byteCount == Self.size else { throw .truncated }
        var reader = WireReader(bytes)
        guard try reader.integer(UInt32.self) == Self.magic else { throw .magic }
        type = try reader.integer()
        let flags: UInt16 = try reader.integer()
        let length: UInt32 = try reader.integer()
        self.sequence = try reader.integer()
        checksum = try reader.integer()
        let headerChecksum: UInt64 = try reader.integer()
        guard headerChecksum == Checksum.of(bytes.extracting(first: 24)) else {
            throw .headerChecksum
        }
        guard flags == 0 else { throw .field("flags") }
        guard length <= WireLimits.payload else { throw .tooLong(Int(length)) }
        guard type != 0 else { throw .type(0) }
        guard self.sequence == sequence else {
            throw .sequence(expected: sequence, found: self.sequence)
        }
        self.length = Int(length)
    }

    /// Checks that a payload is the one this header announced.
    public func verify(_ payload: RawSpan) throws(WireError) {
        guard payload.byteCount == length else { throw .truncated }
        guard Checksum.of(payload) == checksum else { throw .payloadChecksum }
    }

    /// The 32 bytes.
    public var encoded: [UInt8] {
        var writer = WireWriter()
        writer.integer(Self.magic)
        writer.integer(type)
        writer.integer(UInt16(0))
        writer.integer(UInt32(length))
        writer.integer(sequence)
        writer.integer(checksum)
        writer.integer(unsafe Checksum.of(writer.bytes.span.bytes))
        return writer.bytes
    }
}

/// XXH3-64, the checksum of frames.
public enum Checksum {
    /// The checksum of some bytes.
    public static func of(_ bytes: RawSpan) -> UInt64 {
        unsafe bytes.withUnsafeBytes { unsafe livemig_xxh3_64($0.baseAddress, $0.count, 0) }
    }
}
