/// A message: its frame type, and how its fields become bytes and back.
///
/// Decoding is total: any bytes give a value or a `WireError`, never a trap.
public protocol WireMessage: Sendable {
    /// The type in the frame's header.
    static var type: FrameType { get }

    /// Appends the fields.
    func encode(into writer: inout WireWriter)

    /// Takes the fields.
    init(from reader: inout WireReader) throws(WireError)
}

extension WireMessage {
    /// The fields as bytes.
    public var payload: [UInt8] {
        var writer = WireWriter()
        encode(into: &writer)
        return writer.bytes
    }

    /// Reads a whole payload.
    public init(payload: RawSpan) throws(WireError) {
        var reader = WireReader(payload)
        try self.init(from: &reader)
        try reader.finish()
    }

    /// The message as a frame, header and payload in one.
    public func frame(sequence: UInt32) -> [UInt8] {
        let payload = payload
        let header = FrameHeader(
            type: Self.type, payload: unsafe payload.span.bytes, sequence: sequence)
        return header.encoded + payload
    }
}

/// A message without fields.
public protocol EmptyWireMessage: WireMessage {
    /// The only value.
    init()
}

extension EmptyWireMessage {
    /// Appends nothing.
    public func encode(into writer: inout WireWriter) {}

    /// Takes nothing.
    public init(from reader: inout WireReader) throws(WireError) { self.init() }
}
