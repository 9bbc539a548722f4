public import MigrationModel

/// Asks a host to examine itself; answered by `Examination`.
public struct ExamineHost: EmptyWireMessage, Hashable {
    public static let type = FrameType.examineHost

    /// The only value.
    public init() {}
}

/// What a host has found out about itself.
///
/// One field, a list of at most 256 items: id text, 64; state u8; what and fix text, 2048 each.
public struct Examination: WireMessage, Hashable {
    public static let type = FrameType.examination
    /// The items.
    public let items: [Diagnosis]

    /// Wraps items; those beyond the limit are left out.
    public init(_ items: [Diagnosis]) { self.items = Array(items.prefix(WireLimits.findings)) }

    public func encode(into writer: inout WireWriter) {
        writer.list(items) { writer, item in
            writer.text(item.id, limit: WireLimits.word)
            writer.integer(item.state.rawValue)
            writer.text(item.what, limit: WireLimits.sentence)
            writer.text(item.fix, limit: WireLimits.sentence)
        }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        items = try reader.list(limit: WireLimits.findings) { (reader) throws(WireError) in
            let id = try reader.text(limit: WireLimits.word)
            guard id.isPlainName(limit: WireLimits.word) else { throw .field("id") }
            let state: Diagnosis.State = try reader.choice()
            let what = try reader.text(limit: WireLimits.sentence)
            return Diagnosis(id, state, what, fix: try reader.text(limit: WireLimits.sentence))
        }
    }
}
