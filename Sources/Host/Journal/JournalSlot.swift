import MigrationModel
public import Ownership
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
    static let peerLimit = 512
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
        body.integer(record.right.number)
        body.integer(record.right.epoch.number)
        body.flag(record.right.attempt != nil)
        body.bits(record.right.attempt?.migration.bits ?? Bits128(high: 0, low: 0))
        body.bits(record.right.digest ?? Bits128(high: 0, low: 0))
        body.integer(record.time)
        body.text(record.peer, limit: Self.peerLimit)
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
        let number: UInt8 = try reader.integer()
        let epoch = Epoch(try reader.integer())
        let hasMigration = try reader.flag()
        let migration = MigrationID(try reader.bits())
        let digest = try reader.bits()
        let time: UInt64 = try reader.integer()
        let peer = try reader.text(limit: peerLimit)
        guard
            let right = Right(
                number: number, epoch: epoch, migration: hasMigration ? migration : nil,
                digest: digest)
        else { throw .field("state") }
        return OwnershipRecord(uuid: uuid, right: right, peer: peer, time: time)
    }
}

extension Right {
    fileprivate var number: UInt8 {
        switch self {
        case .none: 0
        case .owner: 1
        case .intent: 2
        case .released: 3
        case .gone: 4
        case .armed: 5
        case .ready: 6
        case .aborted: 7
        }
    }

    fileprivate var digest: Bits128? {
        switch self {
        case .released(_, let digest), .ready(_, let digest): digest
        default: nil
        }
    }

    fileprivate init?(number: UInt8, epoch: Epoch, migration: MigrationID?, digest: Bits128) {
        let attempt = migration.map { Attempt(migration: $0, epoch: epoch) }
        switch (number, attempt) {
        case (0, nil): self = .none
        case (1, _): self = .owner(epoch, migration)
        case (2, let attempt?): self = .intent(attempt)
        case (3, let attempt?): self = .released(attempt, digest: digest)
        case (4, let attempt?): self = .gone(attempt)
        case (5, let attempt?): self = .armed(attempt)
        case (6, let attempt?): self = .ready(attempt, digest: digest)
        case (7, let attempt?): self = .aborted(attempt)
        default: return nil
        }
    }
}
