public import LinuxSystem
public import MigrationModel

/// A connection whose peer has said everything already, and whose answers are kept.
public struct MemoryChannel: ByteChannel, Sendable {
    private let input: [UInt8]
    private var read = 0
    private let portion: Int
    /// What was written.
    public private(set) var output: [UInt8] = []

    /// A peer that has sent some bytes and has ended its side.
    ///
    /// - Parameters:
    ///   - input: what the peer has sent.
    ///   - portion: the most bytes that one read gives, at least 1.
    public init(_ input: [UInt8], portion: Int = .max) {
        self.input = input
        self.portion = max(1, portion)
    }

    /// How many bytes of the input nobody has read.
    public var unread: Int { input.count - read }

    /// Keeps the bytes.
    public mutating func write(_ bytes: RawSpan) throws(LivemigError) {
        unsafe bytes.withUnsafeBytes { unsafe output.append(contentsOf: $0) }
    }

    /// Gives the next bytes; 0 at the end.
    public mutating func read(
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(LivemigError) -> Int {
        let count = min(buffer.count, portion, unread)
        unsafe buffer.copyBytes(from: input[read..<read + count])
        read += count
        return count
    }

    /// Does nothing.
    public mutating func finishWriting() throws(LivemigError) {}
}
