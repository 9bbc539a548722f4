public import LinuxSystem
public import MigrationModel
public import WireProtocol

/// A frame whose header was accepted and whose payload was checked.
public struct Frame: Sendable {
    /// What it carries.
    public let type: FrameType
    /// The payload.
    public let payload: [UInt8]

    /// Decodes the frame as the message that is expected.
    /// - Throws: the peer's error when the frame is a failure, `E-WIRE` for any other mismatch.
    public func decode<Message: WireMessage>(
        _: Message.Type = Message.self
    ) throws(LivemigError) -> Message {
        if type == .failure, Message.type != .failure {
            throw try decode(FailureMessage.self).error
        }
        do throws(WireError) {
            guard type == Message.type else { throw .type(type.rawValue) }
            return try unsafe Message(payload: payload.span.bytes)
        } catch {
            throw LivemigError(.wire, "\(error)")
        }
    }
}

/// Frames over a byte channel, in both directions, numbered in each.
///
/// One thread sends and one receives; where they differ, each has a frame channel of its own over
/// the same connection.
public struct FrameChannel<Channel: ByteChannel & ~Copyable>: ~Copyable {
    private var channel: Channel
    private let place: String
    private var sent: UInt32
    private var received: UInt32
    private let header: HeapBytes
    /// Bytes of all frames sent so far, headers included.
    public private(set) var bytesSent: UInt64 = 0

    /// Starts a conversation.
    ///
    /// - Parameters:
    ///   - channel: what carries it.
    ///   - place: the peer, for messages.
    ///   - sent: how many frames were sent on the connection before.
    ///   - received: how many frames were received on it before.
    public init(
        _ channel: consuming Channel, at place: String, sent: UInt32 = 0, received: UInt32 = 0
    ) {
        self.channel = channel
        self.place = place
        self.sent = sent
        self.received = received
        header = HeapBytes(count: FrameHeader.size)
    }

    /// Says who this is, as the first thing on a connection.
    public mutating func sendBanner(_ role: Banner.Role) throws(LivemigError) {
        try channel.write(Array(Banner(role: role).line.utf8))
    }

    /// Hears who the peer is; reads nothing beyond the line.
    /// - Throws: `E-HELLO` for any other text, `E-VERSION` for a program of another protocol.
    public mutating func receiveBanner() throws(LivemigError) -> Banner {
        var line: [UInt8] = []
        while line.count < WireLimits.banner {
            let count = try unsafe channel.readFully(into: .init(rebasing: header.bytes[..<1]))
            guard count == 1 else { throw notOurs(line, "the connection ended") }
            let byte = unsafe header.bytes[0]
            if byte == UInt8(ascii: "\n") { return try banner(line) }
            line.append(byte)
        }
        throw notOurs(line, "no greeting in \(WireLimits.banner) bytes")
    }

    private func banner(_ line: [UInt8]) throws(LivemigError) -> Banner {
        guard let banner = try? Banner(line: String(decoding: line, as: UTF8.self)) else {
            throw notOurs(line, "not a greeting of livemig")
        }
        guard banner.protocolVersion == Banner.currentProtocol else {
            throw LivemigError(
                .version,
                "\(banner.role.rawValue) \(banner.programVersion) speaks protocol "
                    + "\(banner.protocolVersion), this program \(Banner.currentProtocol)",
                at: place, fix: "install the same version of livemig on both")
        }
        return banner
    }

    private func notOurs(_ line: [UInt8], _ what: String) -> LivemigError {
        let text = String(decoding: line.prefix(48), as: UTF8.self).escaped()
        return LivemigError(
            .hello, "\(what), got \(text)", at: place,
            fix: "the user's shell there must run commands, and its start-up files print nothing")
    }

    /// Sends a message.
    public mutating func send(_ message: some WireMessage) throws(LivemigError) {
        let frame = message.frame(sequence: sent)
        sent &+= 1
        try channel.write(frame)
        bytesSent += UInt64(frame.count)
    }

    /// Sends a frame that lies in one piece, its header still to be filled in.
    ///
    /// - Parameters:
    ///   - frame: `FrameHeader.size` bytes that are overwritten, then the payload.
    ///   - type: what the payload is.
    public mutating func send(
        frame: inout MutableRawSpan, type: FrameType
    ) throws(LivemigError) {
        let head = FrameHeader(
            type: type, payload: frame.bytes.extracting(FrameHeader.size...), sequence: sent
        ).encoded
        sent &+= 1
        for index in 0..<FrameHeader.size {
            frame.storeBytes(of: head[index], toByteOffset: index, as: UInt8.self)
        }
        try channel.write(frame.bytes)
        bytesSent += UInt64(frame.byteCount)
    }

    /// Receives the next frame; `nil` when the peer has ended the conversation between frames.
    /// - Throws: `E-WIRE` for anything that is not the next frame.
    public mutating func receive() throws(LivemigError) -> Frame? {
        guard let head = try receiveHeader() else { return nil }
        var payload = [UInt8](repeating: 0, count: head.length)
        let result = unsafe payload.withUnsafeMutableBytes { buffer in
            Result { () throws(LivemigError) in
                try unsafe receivePayload(head, into: buffer)
            }
        }
        try result.get()
        return Frame(type: try known(head.type), payload: payload)
    }

    /// Receives the next frame into memory that is there already.
    ///
    /// - Parameter buffer: must hold the payload; a longer one is refused.
    /// - Returns: type and length; `nil` when the peer has ended the conversation between frames.
    public mutating func receive(
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(LivemigError) -> (type: FrameType, length: Int)? {
        guard let head = try receiveHeader() else { return nil }
        guard head.length <= buffer.count else { throw bad(.tooLong(head.length)) }
        try unsafe receivePayload(head, into: .init(rebasing: buffer[..<head.length]))
        return (try known(head.type), head.length)
    }

    /// Tells the peer that nothing more will be sent.
    public mutating func finish() throws(LivemigError) { try channel.finishWriting() }

    private mutating func receiveHeader() throws(LivemigError) -> FrameHeader? {
        let count = try unsafe channel.readFully(into: header.bytes)
        if count == 0 { return nil }
        guard count == FrameHeader.size else { throw bad(.truncated) }
        do throws(WireError) {
            let head = try FrameHeader(decoding: header.span, expecting: received)
            received &+= 1
            return head
        } catch {
            throw bad(error)
        }
    }

    private mutating func receivePayload(
        _ head: FrameHeader, into buffer: UnsafeMutableRawBufferPointer
    ) throws(LivemigError) {
        guard try unsafe channel.readFully(into: buffer) == buffer.count else {
            throw bad(.truncated)
        }
        do throws(WireError) {
            try unsafe head.verify(UnsafeRawBufferPointer(buffer).bytes)
        } catch {
            throw bad(error)
        }
    }

    private func known(_ type: UInt16) throws(LivemigError) -> FrameType {
        guard let type = FrameType(rawValue: type) else { throw bad(.type(type)) }
        return type
    }

    private func bad(_ error: WireError) -> LivemigError {
        LivemigError(.wire, "frame \(received): \(error)", at: place)
    }
}

extension FrameChannel: Sendable where Channel: Sendable & ~Copyable {}

/// A few bytes on the heap with one owner.
@safe
struct HeapBytes: ~Copyable, Sendable {
    private let start: UInt
    let count: Int

    init(count: Int) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 8)
        start = UInt(bitPattern: buffer.baseAddress)
        self.count = count
    }

    deinit { unsafe bytes.deallocate() }

    var bytes: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(
            start: UnsafeMutableRawPointer(bitPattern: start), count: count)
    }

    var span: RawSpan {
        @_lifetime(borrow self)
        get { unsafe _overrideLifetime(UnsafeRawBufferPointer(bytes).bytes, borrowing: self) }
    }
}
