public import MigrationModel
import WireProtocol

/// One of the two copies of a record in its file: 4096 bytes, all numbers little-endian.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | magic `LMOWNER1` |
/// | 8 | 8 | XXH3-64 of the bytes from 16 on |
/// | 16 | 8 | sequence: the valid slot with the higher one counts |
/// | 24 | 16 | uuid |
/// | 40 | 1 | state, 0–7 in the order of `Right` |
/// | 41 | 8 | epoch |
/// | 49 | 1 + 16 | whether there is a migration, and its identifier |
/// | 66 | 16 | digest, zero unless released or ready |
/// | 82 | 8 | time, seconds since 1970 |
/// | 90 | 4 + n | peer, text of at most 512 bytes |
/// |  |  | zeros to the end |
public struct JournalSlot: Hashable, Sendable {
    /// The size in bytes: one block of a disk, so that a torn write spoils one slot at most.
    public static let size = 4096
    private static let magic: [UInt8] = Array("LMOWNER1".utf8)

    /// Grows by one with every write.
    public let sequence: UInt64
    /// The record.
    public let record: OwnershipRecord

    /// Wraps a record.
    public init(sequence: UInt64, record: OwnershipRecord) {
        self.sequence = sequence
        self.record = record
    }

    /// Reads a slot; `nil` for one that was never written, is torn or is not a record.
    public init?(decoding bytes: [UInt8]) {
        guard bytes.count == Self.size, Array(bytes.prefix(8)) == Self.magic else { return nil }
        do {
            var reader = unsafe WireReader(bytes.span.bytes.extracting(8...))
            let checksum: UInt64 = try reader.integer()
            guard unsafe checksum == Checksum.of(bytes.span.bytes.extracting(16...)) else {
                return nil
            }
            sequence = try reader.integer()
            record = try Self.record(from: &reader)
        } catch {
            return nil
        }
    }

    /// The 4096 bytes.
    public var encoded: [UInt8] {
        var body = WireWriter()
        body.integer(sequence)
        body.bits(record.uuid.bits)
        body.right(record.right)
        body.integer(record.time)
        body.text(record.peer, limit: OwnershipRecord.peerLimit)
        let padding = Self.size - 16 - body.bytes.count
        let content = body.bytes + [UInt8](repeating: 0, count: padding)
        var head = WireWriter()
        head.integer(unsafe Checksum.of(content.span.bytes))
        return Self.magic + head.bytes + content
    }

    private static func record(
        from reader: inout WireReader
    ) throws(WireError) -> OwnershipRecord {
        let uuid = VMUUID(try reader.bits())
        let right = try reader.right()
        let time: UInt64 = try reader.integer()
        let peer = try reader.text(limit: OwnershipRecord.peerLimit)
        return OwnershipRecord(uuid: uuid, right: right, peer: peer, time: time)
    }
}
