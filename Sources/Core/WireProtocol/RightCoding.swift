public import MigrationModel

/// The right to run as bytes, in messages and in the durable record alike.
///
/// | field | type |
/// | --- | --- |
/// | state | u8: 0 NONE, 1 OWN, 2 INT, 3 REL, 4 GONE, 5 ARM, 6 RDY, 7 ABT |
/// | epoch | u64 |
/// | has a migration | flag |
/// | migration, digest | 16 bytes each, zero where there is none |
extension WireWriter {
    /// Appends a right.
    public mutating func right(_ right: Right) {
        integer(right.number)
        integer(right.epoch.number)
        flag(right.attempt != nil)
        bits(right.attempt?.migration.bits ?? .zero)
        bits(right.digest ?? .zero)
    }

    /// Appends a record: uuid 16 bytes, right, peer text 512, time u64.
    public mutating func record(_ record: OwnershipRecord) {
        bits(record.uuid.bits)
        right(record.right)
        text(record.peer, limit: OwnershipRecord.peerLimit)
        integer(record.time)
    }
}

extension WireReader {
    /// Takes a right.
    public mutating func right() throws(WireError) -> Right {
        let number: UInt8 = try integer()
        let epoch = try epoch()
        let hasMigration = try flag()
        let migration = MigrationID(try bits())
        let digest = try bits()
        guard
            let right = Right(
                number: number, epoch: epoch, migration: hasMigration ? migration : nil,
                digest: digest)
        else { throw .field("state") }
        // What a state has no use for is zero, so that every right has one form only.
        guard right.epoch == epoch, right.digest ?? .zero == digest,
            hasMigration || migration.bits == .zero
        else { throw .field("right") }
        return right
    }

    /// Takes a record.
    public mutating func record() throws(WireError) -> OwnershipRecord {
        OwnershipRecord(
            uuid: VMUUID(try bits()), right: try right(),
            peer: try text(limit: OwnershipRecord.peerLimit), time: try integer())
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
