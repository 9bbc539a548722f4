public import Glibc
public import MigrationModel
import SystemPackage

/// Whole reads and writes on a blocking descriptor, with an optional limit on silence.
public enum DescriptorIO {
    /// Writes every byte.
    /// - Throws: `E-DISCONNECTED` when the reader has gone, `E-STALL` when it takes nothing for
    ///   longer than `stall`.
    public static func write(
        _ bytes: RawSpan, to descriptor: CInt, stall: Duration? = nil, at place: String = ""
    ) throws(LivemigError) {
        var done = 0
        while done < bytes.byteCount {
            let rest = bytes.extracting(done...)
            if let stall {
                try wait(for: POLLOUT, on: descriptor, stall, at: place)
                done += try writeSome(rest, to: descriptor, at: place)
            } else {
                done += try SystemCall.check("write", at: place, as: .disconnected) {
                    unsafe rest.withUnsafeBytes {
                        unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
                    }
                }
            }
        }
    }

    /// Writes what a descriptor that is ready takes without waiting.
    ///
    /// A blocking write of more than there is room for waits until all of it is taken. A socket can
    /// be told not to wait (send(2), `MSG_DONTWAIT`); a pipe that is ready takes `PIPE_BUF` bytes
    /// (pipe(7)).
    private static func writeSome(
        _ bytes: RawSpan, to descriptor: CInt, at place: String
    ) throws(LivemigError) -> Int {
        let flags = CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)
        let sent = unsafe bytes.withUnsafeBytes {
            unsafe send(descriptor, $0.baseAddress, $0.count, flags)
        }
        if sent >= 0 { return sent }
        switch errno {
        case EINTR, EAGAIN: return 0
        case ENOTSOCK: break
        default:
            throw SystemCall.failure(
                "send", Errno(rawValue: errno), at: place, as: .disconnected)
        }
        let part = bytes.extracting(first: min(bytes.byteCount, Int(PIPE_BUF)))
        return try SystemCall.check("write", at: place, as: .disconnected) {
            unsafe part.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
        }
    }

    /// Writes every byte of an array.
    public static func write(
        _ bytes: [UInt8], to descriptor: CInt, stall: Duration? = nil, at place: String = ""
    ) throws(LivemigError) {
        try unsafe write(bytes.span.bytes, to: descriptor, stall: stall, at: place)
    }

    /// Reads what has arrived, waiting for at least one byte; 0 at the end of the stream.
    /// - Throws: `E-STALL` when nothing comes for longer than `stall`.
    public static func read(
        into buffer: UnsafeMutableRawBufferPointer, from descriptor: CInt, stall: Duration? = nil,
        at place: String = ""
    ) throws(LivemigError) -> Int {
        if let stall { try wait(for: POLLIN, on: descriptor, stall, at: place) }
        return try SystemCall.check("read", at: place, as: .disconnected) {
            unsafe Glibc.read(descriptor, buffer.baseAddress, buffer.count)
        }
    }

    /// Fills the buffer; returns how many bytes came before the stream ended.
    /// - Throws: `E-STALL` when nothing comes for longer than `stall`.
    public static func readFully(
        into buffer: UnsafeMutableRawBufferPointer, from descriptor: CInt, stall: Duration? = nil,
        at place: String = ""
    ) throws(LivemigError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = try unsafe read(
                into: .init(rebasing: buffer[done...]), from: descriptor, stall: stall, at: place)
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Reads up to a number of bytes, fewer only where the stream ends.
    public static func readFully(
        upTo count: Int, from descriptor: CInt, stall: Duration? = nil, at place: String = ""
    ) throws(LivemigError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let result = unsafe bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(LivemigError) in
                try unsafe readFully(into: buffer, from: descriptor, stall: stall, at: place)
            }
        }
        bytes.removeLast(count - (try result.get()))
        return bytes
    }

    /// Reads what has arrived, at most a number of bytes; none at the end of the stream.
    public static func readAvailable(
        upTo count: Int, from descriptor: CInt, at place: String = ""
    ) throws(LivemigError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let result = unsafe bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(LivemigError) in
                try unsafe read(into: buffer, from: descriptor, at: place)
            }
        }
        bytes.removeLast(count - (try result.get()))
        return bytes
    }

    private static func wait(
        for event: Int32, on descriptor: CInt, _ stall: Duration, at place: String
    ) throws(LivemigError) {
        let ready = try Poll.wait([.init(descriptor, event)], timeout: stall)
        guard ready.isEmpty else { return }
        let verb = event == POLLIN ? "nothing received" : "nothing accepted"
        throw LivemigError(.stall, "\(verb) for \(stall.brief)", at: place)
    }
}

/// Waiting for several descriptors at once (poll(2)).
public enum Poll {
    /// A descriptor and what to wait for on it.
    public struct Interest: Hashable, Sendable {
        /// The descriptor's number.
        public let descriptor: CInt
        /// `POLLIN`, `POLLOUT` or both.
        public let events: Int32

        /// Names a descriptor and events.
        public init(_ descriptor: CInt, _ events: Int32 = POLLIN) {
            self.descriptor = descriptor
            self.events = events
        }
    }

    /// Waits until one of the descriptors is ready, hung up or in error.
    ///
    /// - Parameters:
    ///   - interests: what to wait for.
    ///   - timeout: how long at most; `nil` waits without limit.
    /// - Returns: the descriptors that are ready; empty when the time is over.
    public static func wait(
        _ interests: [Interest], timeout: Duration? = nil
    ) throws(LivemigError) -> [CInt] {
        var polled = interests.map {
            pollfd(fd: $0.descriptor, events: Int16($0.events), revents: 0)
        }
        let deadline = timeout.map { MonotonicTime.now + $0 }
        while true {
            let left = deadline.map { max(0, ($0 - .now).inNanoseconds) }
            let milliseconds =
                left.map { CInt(clamping: $0 / 1_000_000 + ($0 % 1_000_000 > 0 ? 1 : 0)) } ?? -1
            let count = unsafe poll(&polled, nfds_t(polled.count), milliseconds)
            if count >= 0 { break }
            guard errno == EINTR else { throw SystemCall.failure("poll", Errno(rawValue: errno)) }
        }
        return polled.filter { $0.revents != 0 }.map(\.fd)
    }
}
