public import MigrationModel

/// The source has hashed its memory anew while the guest stands still, or after the hand-over:
/// attempt, digest over the hashes of all pages that are not zeros.
public struct ImageHashed: DigestMessage, Hashable {
    public static let type = FrameType.imageHashed
    /// The attempt.
    public let attempt: Attempt
    /// The digest.
    public let digest: Bits128

    /// States a digest.
    public init(attempt: Attempt, digest: Bits128) {
        self.attempt = attempt
        self.digest = digest
    }
}

/// The digests differ: asks for the source's page hashes, to find the pages that do.
///
/// One field: attempt.
public struct HashesWanted: AttemptMessage, Hashable {
    public static let type = FrameType.hashesWanted
    /// The attempt.
    public let attempt: Attempt

    /// Names the attempt.
    public init(attempt: Attempt) { self.attempt = attempt }
}

/// A piece of the source's page hashes; one without hashes says that no more will come.
///
/// | field | type |
/// | --- | --- |
/// | attempt | migration 16 bytes, epoch u64 |
/// | first | u64: the page of the first hash |
/// | hashes | list of 65,536 u64: of consecutive pages |
///
/// Pieces ascend; pages that no piece covers have no hash.
public struct PageHashes: WireMessage, Hashable {
    public static let type = FrameType.pageHashes
    /// The attempt.
    public let attempt: Attempt
    /// The page of the first hash.
    public let first: UInt64
    /// The hashes of consecutive pages, at most `WireLimits.pageHashes`.
    public let hashes: [UInt64]

    /// States hashes.
    public init(attempt: Attempt, first: UInt64, hashes: [UInt64]) {
        self.attempt = attempt
        self.first = first
        self.hashes = hashes
    }

    public func encode(into writer: inout WireWriter) {
        writer.attempt(attempt)
        writer.integer(first)
        writer.list(hashes) { $0.integer($1) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        attempt = try reader.attempt()
        first = try reader.integer()
        hashes = try reader.list(limit: WireLimits.pageHashes) { (reader) throws(WireError) in
            try reader.integer(UInt64.self)
        }
    }
}

/// What an audit has found: attempt, then how many pages differ, u64, and the numbers of the first
/// 16 of them, u64 each.
public struct ImageCompared: WireMessage, Hashable {
    public static let type = FrameType.imageCompared
    /// The attempt.
    public let attempt: Attempt
    /// The pages that differ between what the source holds and what was placed.
    public let differing: DifferingPages

    /// States what differs.
    public init(attempt: Attempt, differing: DifferingPages) {
        self.attempt = attempt
        self.differing = differing
    }

    public func encode(into writer: inout WireWriter) {
        writer.attempt(attempt)
        writer.differing(differing)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        attempt = try reader.attempt()
        differing = try reader.differing()
    }
}
