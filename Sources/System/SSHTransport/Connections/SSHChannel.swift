import CLibSSH
public import LinuxSystem
public import MigrationModel

/// A command on a host, with its standard input, output and error.
///
/// Belongs to the thread of its session, and keeps the connection alive.
@safe
public struct SSHChannel: ByteChannel, ~Copyable {
    let session: SessionHandle
    private let pointer: ssh_channel
    private var tail: ErrorTail
    private let scratch: HeapBuffer
    private var hasSentEnd = false
    /// How long `read` waits for the first byte; the endpoint's stall time-out unless changed,
    /// `nil` for no limit.
    public var readTimeout: Duration?

    /// The largest piece gathered before the socket gets it.
    ///
    /// 256 KiB were measured best; the rest is room for headers, so that 256 KiB of pages leave in
    /// one piece. OpenSSH's window is 2 MiB.
    public static let pieceSize = 288 << 10

    /// What is opened on the host.
    enum Purpose {
        case command(RemoteCommand)
        /// A TCP connection from the host to another (RFC 4254, section 7.2).
        case forwarding(address: String, port: Int)
    }

    init(
        _ session: SessionHandle, _ purpose: Purpose,
        onErrorLine: (@Sendable (String) -> Void)? = nil
    ) throws(LivemigError) {
        unsafe pointer = try Self.open(session, purpose)
        self.session = session
        tail = ErrorTail(onLine: onErrorLine)
        scratch = HeapBuffer(count: 4096)
        readTimeout = session.endpoint.stallTimeout
    }

    private static func open(
        _ session: SessionHandle, _ purpose: Purpose
    ) throws(LivemigError) -> ssh_channel {
        session.checkThread()
        guard let pointer = unsafe ssh_channel_new(session.pointer) else { throw session.lost }
        let deadline = MonotonicTime.now + session.endpoint.answerTimeout
        do throws(LivemigError) {
            switch purpose {
            case .command(let command):
                try check(session, "open a channel", deadline) {
                    unsafe ssh_channel_open_session(pointer)
                }
                try check(session, "start \(command.text.escaped())", deadline) {
                    unsafe ssh_channel_request_exec(pointer, command.text)
                }
            case .forwarding(let address, let port):
                try check(session, "connect to \(address.escaped()):\(port)", deadline) {
                    unsafe ssh_channel_open_forward(
                        pointer, address, CInt(clamping: port), "127.0.0.1", 0)
                }
            }
        } catch {
            unsafe ssh_channel_free(pointer)
            throw error
        }
        return unsafe pointer
    }

    deinit {
        session.checkThread()
        unsafe ssh_channel_free(pointer)
    }

    private static func check(
        _ session: SessionHandle, _ what: String, _ deadline: MonotonicTime, _ call: () -> CInt
    ) throws(LivemigError) {
        let result = try session.complete(deadline, again: SSH_AGAIN, failure: SSH_ERROR, call)
        guard result != SSH_OK else { return }
        guard result != nil else {
            throw LivemigError(
                .stall,
                "no answer within \(session.endpoint.answerTimeout.brief) to the request to \(what)",
                at: session.endpoint.place,
                fix: "raise the host's answerTimeout if it is overloaded; else see the log of sshd "
                    + "there")
        }
        guard session.isConnected else { throw session.lost }
        throw LivemigError(
            .disconnected, "refused to \(what): \(session.reason)", at: session.endpoint.place,
            fix: "see the log of sshd there; MaxSessions may be too low, or AllowTcpForwarding off")
    }

    // MARK: Without waiting

    /// Hands bytes to libssh; returns how many it took, 0 when the peer's window is full or keys
    /// are being exchanged.
    mutating func offer(_ bytes: RawSpan) throws(LivemigError) -> Int {
        session.checkThread()
        let piece = bytes.extracting(first: Self.pieceSize)
        let count = unsafe piece.withUnsafeBytes {
            unsafe ssh_channel_write(pointer, $0.baseAddress, UInt32($0.count))
        }
        if count == SSH_AGAIN { return 0 }
        guard count >= 0 else { throw failure() }
        return Int(count)
    }

    /// What has arrived of a stream.
    enum Arrival { case bytes(Int), nothing, end }

    /// Takes what has arrived on standard output, or standard error.
    mutating func take(
        into buffer: UnsafeMutableRawBufferPointer, error: Bool = false
    ) throws(LivemigError) -> Arrival {
        session.checkThread()
        let count = unsafe ssh_channel_read_nonblocking(
            pointer, buffer.baseAddress, UInt32(clamping: buffer.count), error ? 1 : 0)
        switch count {
        case 1...: return .bytes(Int(count))
        case 0, SSH_AGAIN: return .nothing
        case SSH_EOF: return .end
        // libssh keeps a channel open until everything that came has been read.
        case _ where isClosed && session.isConnected: return .end
        default: throw failure()
        }
    }

    /// Moves what has arrived on standard error to the tail; it shares the window with standard
    /// output, so it must never be left lying.
    mutating func drainErrors() throws(LivemigError) {
        while case .bytes(let count) = try unsafe take(into: scratch.bytes, error: true) {
            tail.append(scratch.prefix(count))
        }
    }

    /// Whether both sides have closed, or the connection is gone.
    var isClosed: Bool { unsafe ssh_channel_is_closed(pointer) != 0 }

    /// Hands the end of standard input to libssh, once.
    mutating func sendEnd() throws(LivemigError) {
        session.checkThread()
        guard !hasSentEnd, !isClosed else { return }
        hasSentEnd = true
        guard unsafe ssh_channel_send_eof(pointer) != SSH_ERROR else { throw failure() }
    }

    /// Reports a last line of standard error that had no end.
    mutating func finishErrors() { tail.finish() }

    /// Closes both directions at once.
    mutating func abandon() { unsafe ssh_channel_close(pointer) }

    /// How the command ended, as far as it is known now.
    public var exit: SSHExit {
        let status = unsafe ssh_channel_get_exit_status(pointer)
        return SSHExit(status: status == -1 ? nil : status, errorLines: tail.lines)
    }

    /// Why a call on the channel failed.
    func failure() -> LivemigError {
        guard session.isConnected else { return session.lost }
        let exit = self.exit
        let status = exit.status.map { " with status \($0)" } ?? ""
        let said = exit.lastError.isEmpty ? "" : ", saying \(exit.lastError)"
        return LivemigError(
            .disconnected, "the remote command ended\(status)\(said)", at: session.endpoint.place)
    }

    // MARK: Waiting

    /// Writes every byte, until the socket has taken them.
    ///
    /// The socket gets them in pieces of `pieceSize`.
    /// - Throws: `E-DISCONNECTED` when the command or the connection has ended, `E-STALL` when the
    ///   peer takes nothing for the stall time-out.
    public mutating func write(_ bytes: RawSpan) throws(LivemigError) {
        var patience = WritePatience(session)
        var done = 0
        while done < bytes.byteCount || session.hasUnsent {
            let mark = session.activity
            let gathered = try gather(bytes.extracting(done...))
            done += gathered
            patience.note(session)
            guard gathered == 0 || session.hasUnsent else { continue }
            if try !session.wait(since: mark, until: patience.next), patience.isOver(session) {
                let stall = session.endpoint.stallTimeout
                throw LivemigError(
                    .stall, "nothing accepted for \(stall.brief)", at: session.endpoint.place)
            }
            try drainErrors()
            if isClosed { throw failure() }
        }
    }

    /// Hands libssh a piece, unless the socket has yet to take an earlier one.
    ///
    /// libssh takes only whole packets at a call, and would send what is left on its own.
    private mutating func gather(_ bytes: RawSpan) throws(LivemigError) -> Int {
        guard !session.hasUnsent else { return 0 }
        let piece = bytes.extracting(first: Self.pieceSize)
        var done = 0
        while done < piece.byteCount {
            let count = try offer(piece.extracting(done...))
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Reads what has arrived on standard output, waiting for at least one byte; 0 at its end.
    /// - Throws: `E-DISCONNECTED` when the connection broke, `E-STALL` when nothing comes for
    ///   `readTimeout`.
    public mutating func read(
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(LivemigError) -> Int {
        guard buffer.count > 0 else { return 0 }
        let deadline = readTimeout.map { MonotonicTime.now + $0 }
        while true {
            let mark = session.activity
            switch try unsafe take(into: buffer) {
            case .bytes(let count): return count
            case .end: return 0
            case .nothing: break
            }
            try drainErrors()
            guard try session.wait(since: mark, until: deadline) else {
                throw LivemigError(
                    .stall, "nothing received for \((readTimeout ?? .zero).brief)",
                    at: session.endpoint.place)
            }
        }
    }

    /// Ends the command's standard input; its output can still be read.
    public mutating func finishWriting() throws(LivemigError) {
        try sendEnd()
        try write(RawSpan())
    }

    /// Ends standard input, discards the rest of the output, and waits for the command to end.
    /// - Throws: as `read`.
    public mutating func finish() throws(LivemigError) -> SSHExit {
        try finishWriting()
        let discarded = HeapBuffer(count: 64 << 10)
        while try unsafe read(into: discarded.bytes) > 0 {}
        try waitForClose()
        return exit
    }

    /// Waits for the command's end to be told, after the end of its output.
    mutating func waitForClose() throws(LivemigError) {
        let stall = session.endpoint.stallTimeout
        let deadline = MonotonicTime.now + stall
        while true {
            let mark = session.activity
            try drainErrors()
            if isClosed { break }
            guard try session.wait(since: mark, until: deadline) else {
                throw LivemigError(
                    .stall, "the remote command closed its output but does not end",
                    at: session.endpoint.place)
            }
        }
        tail.finish()
    }
}
