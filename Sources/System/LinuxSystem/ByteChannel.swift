import Glibc
public import MigrationModel

/// A connection that carries bytes both ways, with the writing side closed on its own.
///
/// One thread uses it at a time; every call blocks.
public protocol ByteChannel: ~Copyable {
    /// Writes every byte.
    /// - Throws: `E-DISCONNECTED` when the peer has gone, `E-STALL` when it takes nothing for too
    ///   long.
    mutating func write(_ bytes: RawSpan) throws(LivemigError)

    /// Reads what has arrived, waiting for at least one byte; 0 at the end of the stream.
    /// - Throws: `E-DISCONNECTED` when the connection broke, `E-STALL` when nothing comes for too
    ///   long.
    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(LivemigError) -> Int

    /// Tells the peer that nothing more will be written; reading goes on. Repeating it is harmless.
    mutating func finishWriting() throws(LivemigError)
}

extension ByteChannel where Self: ~Copyable {
    /// Writes every byte of an array.
    public mutating func write(_ bytes: [UInt8]) throws(LivemigError) {
        try unsafe write(bytes.span.bytes)
    }

    /// Fills the buffer; returns how many bytes came before the stream ended.
    public mutating func readFully(
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(LivemigError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = try unsafe read(into: .init(rebasing: buffer[done...]))
            if count == 0 { break }
            done += count
        }
        return done
    }
}

/// A byte channel over blocking descriptors: two ends of pipes, or one stream socket.
public struct DescriptorChannel: ByteChannel, ~Copyable, Sendable {
    private let input: OwnedDescriptor
    private var output: OwnedDescriptor?
    private let stall: Duration?
    private let silence: SharedSilence?
    private let place: String

    /// Joins a descriptor to read from and one to write to.
    ///
    /// - Parameters:
    ///   - input: where bytes come from.
    ///   - output: where bytes go; `nil` for a channel that only reads.
    ///   - stall: the longest silence accepted in either direction; `nil` waits without limit.
    ///   - silence: whose silence counts together with that of what is read here.
    ///   - place: the peer, for messages.
    public init(
        reading input: consuming OwnedDescriptor, writing output: consuming OwnedDescriptor?,
        stall: Duration? = nil, silence: SharedSilence? = nil, at place: String = ""
    ) {
        self.silence = silence
        self.input = input
        self.output = consume output
        self.stall = stall
        self.place = place
    }

    /// Takes over a stream socket, for both directions.
    /// - Throws: `E-RESOURCE` when the process has too many descriptors.
    public init(
        socket: consuming OwnedDescriptor, stall: Duration? = nil,
        silence: SharedSilence? = nil, at place: String = ""
    ) throws(LivemigError) {
        let output = try socket.duplicate()
        self.init(reading: socket, writing: output, stall: stall, silence: silence, at: place)
    }

    /// Writes every byte.
    public mutating func write(_ bytes: RawSpan) throws(LivemigError) {
        let descriptor = output.borrowedNumber
        guard let descriptor else {
            throw LivemigError(.internal, "write after the end of writing", at: place)
        }
        try DescriptorIO.write(bytes, to: descriptor, stall: stall, at: place)
    }

    /// Reads what has arrived, waiting for at least one byte; 0 at the end of the stream.
    public mutating func read(
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(LivemigError) -> Int {
        var limit = stall
        while true {
            do throws(LivemigError) {
                let count = try unsafe DescriptorIO.read(
                    into: buffer, from: input.number, stall: limit, at: place)
                silence?.note()
                return count
            } catch {
                guard error.code == .stall, let stall, let silence else { throw error }
                guard let more = silence.activity.remaining(of: stall) else {
                    let all = silence.activity.extended(stall)
                    throw LivemigError(.stall, "nothing received for \(all.brief)", at: place)
                }
                limit = more
            }
        }
    }

    /// Ends writing: half-closes a socket, closes the end of a pipe.
    public mutating func finishWriting() throws(LivemigError) {
        // shutdown(2) fails on a pipe, where closing alone tells the reader.
        if let descriptor = output.borrowedNumber { _ = shutdown(descriptor, CInt(SHUT_WR)) }
        output = nil
    }
}

extension Optional where Wrapped == OwnedDescriptor {
    fileprivate var borrowedNumber: CInt? {
        switch self {
        case .some(let descriptor): descriptor.number
        case .none: nil
        }
    }
}
