public import MigrationModel

/// Runs a host's hook before or after a drain of it; answered by `DoneMessage`, or by the hook's
/// failure.
///
/// | field | type |
/// | --- | --- |
/// | after | flag: whether the drain is over |
/// | host | text, 64: the host's name |
/// | failure | optional: code text, 64; what, place, fix text, 2048 each: why it is not empty |
public struct RunDrainHook: WireMessage, Hashable {
    public static let type = FrameType.runDrainHook
    /// When a hook runs.
    public enum Stage: Hashable, Sendable {
        /// Nothing has changed yet.
        case before
        /// The drain is over; why the host is not empty, if it is not.
        case after(LivemigError?)
    }
    /// When it runs.
    public let stage: Stage
    /// The host's name.
    public let host: String

    /// States what is about to happen, or has.
    public init(_ stage: Stage, of host: HostName) {
        self.stage = stage
        self.host = host.text
    }

    public func encode(into writer: inout WireWriter) {
        var failure: LivemigError?
        if case .after(let error) = stage { failure = error }
        writer.flag(stage != .before)
        writer.text(host)
        writer.optional(failure) { $0.error($1) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let isOver = try reader.flag()
        host = try reader.text(limit: 64)
        guard host.isPlainName(limit: 64) else { throw .field("host") }
        let failure = try reader.optional { (reader) throws(WireError) in try reader.error() }
        guard isOver || failure == nil else { throw .field("failure") }
        stage = isOver ? .after(failure) : .before
    }
}

/// Something that the operator should know about a move that has ended, and that does not change
/// how.
///
/// One field, a finding. May come at any time until the connection ends.
public struct NoteMessage: WireMessage, Hashable {
    public static let type = FrameType.note
    /// What should be known.
    public let finding: Finding

    /// Wraps a finding.
    public init(_ finding: Finding) { self.finding = finding }

    public func encode(into writer: inout WireWriter) { writer.finding(finding) }

    public init(from reader: inout WireReader) throws(WireError) { finding = try reader.finding() }
}
