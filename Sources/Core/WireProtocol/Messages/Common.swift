public import MigrationModel

/// The last word of whoever failed: the error as it was said, with the place it happened.
///
/// | field | type |
/// | --- | --- |
/// | code | text, 64 |
/// | what, place, fix | text, 2048 each |
/// | guest | optional guest location |
/// | full slots | optional u8: outgoing 1, incoming 2; nothing was begun for want of one |
public struct FailureMessage: WireMessage, Hashable {
    public static let type = FrameType.failure
    /// The error.
    public let error: LivemigError

    /// Wraps an error.
    public init(_ error: LivemigError) { self.error = error }

    public func encode(into writer: inout WireWriter) {
        writer.error(error)
        writer.optional(error.guest) { $0.guest($1) }
        writer.optional(error.fullSlots) { $0.integer($1.rawValue) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        var error = try reader.error()
        error.guest = try reader.optional { (reader) throws(WireError) in try reader.guest() }
        error.fullSlots = try reader.optional { (reader) throws(WireError) in
            try reader.choice()
        }
        self.error = error
    }
}

/// The answer to a request that has nothing else to say.
public struct DoneMessage: EmptyWireMessage, Hashable {
    public static let type = FrameType.done

    /// The only value.
    public init() {}
}

/// A message whose only field is the attempt that it belongs to.
public protocol AttemptMessage: WireMessage {
    /// The attempt.
    var attempt: Attempt { get }

    /// Names the attempt.
    init(attempt: Attempt)
}

extension AttemptMessage {
    /// Appends the attempt.
    public func encode(into writer: inout WireWriter) { writer.attempt(attempt) }

    /// Takes the attempt.
    public init(from reader: inout WireReader) throws(WireError) {
        self.init(attempt: try reader.attempt())
    }
}

/// A message of an attempt and the digest over all pages of the guest.
public protocol DigestMessage: WireMessage {
    /// The attempt.
    var attempt: Attempt { get }
    /// The digest.
    var digest: Bits128 { get }

    /// States both.
    init(attempt: Attempt, digest: Bits128)
}

extension DigestMessage {
    /// Appends attempt and digest.
    public func encode(into writer: inout WireWriter) {
        writer.attempt(attempt)
        writer.bits(digest)
    }

    /// Takes attempt and digest.
    public init(from reader: inout WireReader) throws(WireError) {
        self.init(attempt: try reader.attempt(), digest: try reader.bits())
    }
}

extension WireWriter {
    /// Appends an error, but for its guest and the slots that are full.
    public mutating func error(_ error: LivemigError, limit: Int = WireLimits.sentence) {
        text(error.code.rawValue, limit: 64)
        text(error.what, limit: limit)
        text(error.place, limit: limit)
        text(error.fix, limit: limit)
    }

    mutating func guest(_ guest: GuestLocation) {
        text(guest.vm)
        text(guest.state.rawValue)
        text(guest.host)
        integer(guest.epoch.number)
    }

    /// Appends an attempt: migration, 16 bytes, and epoch, u64.
    public mutating func attempt(_ attempt: Attempt) {
        bits(attempt.migration.bits)
        integer(attempt.epoch.number)
    }

    mutating func differing(_ pages: DifferingPages) {
        integer(pages.count)
        list(pages.first) { $0.integer($1) }
    }

    mutating func pages(_ pages: PageCounts) {
        integer(pages.sent)
        integer(pages.zero)
        integer(pages.unchanged)
    }
}

extension WireReader {
    /// Takes an error without a guest and slots that are full.
    public mutating func error(limit: Int = WireLimits.sentence) throws(WireError) -> LivemigError {
        let code = try text(limit: 64)
        return LivemigError(
            ErrorCode(rawValue: code) ?? .internal, try text(limit: limit),
            at: try text(limit: limit), fix: try text(limit: limit))
    }

    mutating func guest() throws(WireError) -> GuestLocation {
        let vm = try text()
        guard let state = GuestLocation.State(rawValue: try text()) else { throw .field("state") }
        return GuestLocation(vm: vm, state: state, host: try text(), epoch: try epoch())
    }

    mutating func epoch() throws(WireError) -> Epoch { Epoch(try integer()) }

    /// Takes an attempt: migration, 16 bytes, and epoch, u64.
    public mutating func attempt() throws(WireError) -> Attempt {
        Attempt(migration: MigrationID(try bits()), epoch: try epoch())
    }

    mutating func vmName() throws(WireError) -> VMName {
        let text = try text(limit: 64)
        guard let name = try? VMName(text) else { throw .field("VM name") }
        return name
    }

    mutating func differing() throws(WireError) -> DifferingPages {
        let count = try integer(UInt64.self)
        let first = try list(limit: DifferingPages.limit) { (reader) throws(WireError) in
            try reader.integer(UInt64.self)
        }
        guard let pages = DifferingPages(count: count, first: first) else {
            throw .field("differing pages")
        }
        return pages
    }

    mutating func pages() throws(WireError) -> PageCounts {
        var pages = PageCounts()
        pages.sent = try integer()
        pages.zero = try integer()
        pages.unchanged = try integer()
        return pages
    }
}
