import WireProtocol

/// An input as a list of frames whose checksums and numbers are made right, so that fuzzing gets
/// beyond them: for each frame one byte that says which, two bytes of length, and the payload.
public struct Script {
    /// A frame to make.
    public struct Line: Hashable, Sendable {
        /// Which frame.
        public let selector: UInt8
        /// What it carries.
        public let payload: [UInt8]

        /// States a frame.
        public init(_ selector: UInt8, _ payload: [UInt8]) {
            self.selector = selector
            self.payload = payload
        }
    }

    /// The frames in order.
    public let lines: [Line]

    /// States frames.
    public init(_ lines: [Line]) { self.lines = lines }

    /// Reads an input; a payload may be shorter than its length says, at the end.
    init(_ input: ArraySlice<UInt8>) {
        var lines: [Line] = []
        var rest = input
        while rest.count >= 3 {
            let head = Array(rest.prefix(3))
            let length = Int(head[1]) | Int(head[2]) << 8
            rest = rest.dropFirst(3)
            lines.append(Line(head[0], Array(rest.prefix(length))))
            rest = rest.dropFirst(length)
        }
        self.lines = lines
    }

    /// The input that reads as these frames; payloads are cut at 65,535 bytes.
    public var input: [UInt8] {
        lines.flatMap { line -> [UInt8] in
            let payload = line.payload.prefix(Int(UInt16.max))
            let count = payload.count
            return [line.selector, UInt8(count & 0xFF), UInt8(count >> 8)] + payload
        }
    }

    /// The frames as they travel.
    func stream(_ type: (UInt8) -> FrameType) -> [UInt8] {
        var stream: [UInt8] = []
        for (number, line) in lines.enumerated() {
            let header = unsafe FrameHeader(
                type: type(line.selector), payload: line.payload.span.bytes,
                sequence: UInt32(number))
            stream += header.encoded + line.payload
        }
        return stream
    }
}
