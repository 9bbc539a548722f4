import Glibc
public import LinuxSystem
public import MigrationModel

/// A byte channel on which faults happen to what is written and to what is read.
///
/// A cut or a reset ends both directions with `E-DISCONNECTED`, a stall with `E-STALL`, as a
/// channel does whose peer is gone or silent. What vanishes is taken for written, or never comes:
/// reading waits on.
public struct FaultChannel<Base: ByteChannel & ~Copyable>: ByteChannel, ~Copyable {
    private var base: Base
    private var sending: FaultedStream
    private var receiving: FaultedStream
    private var arrived: [UInt8] = []
    private var hasReadEnd = false
    private var hasWriteEnd = false
    private var failure: LivemigError?

    /// Puts faults on a channel.
    ///
    /// - Parameters:
    ///   - base: what carries the bytes.
    ///   - sending: faults of what is written, counted from the first byte written here.
    ///   - receiving: faults of what is read.
    public init(
        _ base: consuming Base, sending: [FaultPoint] = [], receiving: [FaultPoint] = []
    ) {
        self.base = base
        self.sending = FaultedStream(sending)
        self.receiving = FaultedStream(receiving)
    }

    /// How many bytes were written so far, whatever became of them.
    public var bytesWritten: UInt64 { sending.position }

    /// Writes what the faults leave of the bytes.
    public mutating func write(_ bytes: RawSpan) throws(LivemigError) {
        if let failure { throw failure }
        for piece in sending.pass(unsafe bytes.withUnsafeBytes { unsafe Array($0) }) {
            switch piece {
            case .bytes(let part, let delay, let rate):
                wait(delay, part.count, rate)
                if !hasWriteEnd { try base.write(part) }
            case .end(.halfClose):
                hasWriteEnd = true
                try base.finishWriting()
            case .end(let fault): throw fail(fault)
            }
        }
    }

    /// Reads what the faults leave of what comes.
    public mutating func read(
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(LivemigError) -> Int {
        while arrived.isEmpty, !hasReadEnd {
            if let failure { throw failure }
            var part = [UInt8](repeating: 0, count: 64 << 10)
            let count = try readBase(&part)
            if count == 0 { hasReadEnd = true }
            for piece in receiving.pass(Array(part.prefix(count))) {
                switch piece {
                case .bytes(let part, let delay, let rate):
                    wait(delay, part.count, rate)
                    arrived += part
                case .end(.halfClose): hasReadEnd = true
                case .end(let fault): failure = fail(fault)
                }
            }
        }
        let count = min(buffer.count, arrived.count)
        unsafe buffer.copyBytes(from: arrived.prefix(count))
        arrived.removeFirst(count)
        return count
    }

    /// Ends writing.
    public mutating func finishWriting() throws(LivemigError) { try base.finishWriting() }

    private mutating func readBase(_ part: inout [UInt8]) throws(LivemigError) -> Int {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: part.count, alignment: 8)
        defer { unsafe buffer.deallocate() }
        let count = try unsafe base.read(into: buffer)
        unsafe part.replaceSubrange(..<count, with: buffer[..<count])
        return count
    }

    private mutating func fail(_ fault: Fault) -> LivemigError {
        // The peer learns of the end as it would from a broken connection.
        if fault != .stall { try? base.finishWriting() }
        let error =
            fault == .stall
            ? LivemigError(.stall, "the injected stall")
            : LivemigError(.disconnected, "the injected \(fault)")
        failure = error
        return error
    }

    private func wait(_ delay: Duration, _ count: Int, _ rate: Bandwidth?) {
        var nanoseconds = delay.inNanoseconds
        if let rate { nanoseconds += Int64(count) * 1_000_000_000 / Int64(rate.bytesPerSecond) }
        if nanoseconds > 0 { usleep(UInt32(clamping: nanoseconds / 1000)) }
    }
}
