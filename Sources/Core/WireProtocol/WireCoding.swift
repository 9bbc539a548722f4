public import MigrationModel

/// Appends fields to a message: integers little-endian, text and lists with their count before
/// them.
public struct WireWriter: Sendable {
    /// What was written so far.
    public private(set) var bytes: [UInt8] = []

    /// Starts an empty message.
    public init() {}

    /// Appends an integer.
    public mutating func integer(_ value: some FixedWidthInteger) {
        var rest = value
        for _ in 0..<value.bitWidth / 8 {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    /// Appends one byte that is 1 or 0.
    public mutating func flag(_ value: Bool) { bytes.append(value ? 1 : 0) }

    /// Appends bytes with their count.
    public mutating func data(_ value: [UInt8]) {
        integer(UInt32(value.count))
        bytes += value
    }

    /// Appends text as UTF-8 with its length; text beyond a limit is cut at a character.
    public mutating func text(_ value: String, limit: Int = WireLimits.name) {
        var value = Substring(value)
        while value.utf8.count > limit { value.removeLast() }
        data(Array(value.utf8))
    }

    /// Appends a list with its count.
    public mutating func list<Element>(
        _ elements: [Element], _ append: (inout WireWriter, Element) -> Void
    ) {
        integer(UInt32(elements.count))
        for element in elements { append(&self, element) }
    }

    /// Appends a value that may be absent.
    public mutating func optional<Value>(
        _ value: Value?, _ append: (inout WireWriter, Value) -> Void
    ) {
        flag(value != nil)
        if let value { append(&self, value) }
    }

    /// Appends 128 bits, upper half first.
    public mutating func bits(_ value: Bits128) {
        integer(value.high)
        integer(value.low)
    }

    /// Appends a duration in nanoseconds.
    public mutating func duration(_ value: Duration) {
        integer(
            Int64(clamping: value.components.seconds) &* 1_000_000_000
                &+ value.components.attoseconds / 1_000_000_000)
    }
}

/// Takes fields out of a message, never beyond its end and never beyond a limit.
public struct WireReader: ~Escapable {
    private let bytes: RawSpan
    private var offset = 0

    /// Reads a message from its first byte.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) { self.bytes = bytes }

    /// The bytes not read yet.
    public var remaining: Int { bytes.byteCount - offset }

    /// Takes an integer.
    public mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type = Value.self
    ) throws(WireError) -> Value {
        let size = Value.bitWidth / 8
        guard remaining >= size else { throw .truncated }
        let value = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Value.self)
        offset += size
        return Value(littleEndian: value)
    }

    /// Takes a byte that is 1 or 0.
    public mutating func flag() throws(WireError) -> Bool {
        switch try integer(UInt8.self) {
        case 0: false
        case 1: true
        default: throw .field("flag")
        }
    }

    /// Takes bytes with their count.
    public mutating func data(limit: Int) throws(WireError) -> [UInt8] {
        let count = Int(try integer(UInt32.self))
        guard count <= limit else { throw .tooLong(count) }
        guard count <= remaining else { throw .truncated }
        let part = bytes.extracting(offset..<offset + count)
        offset += count
        return unsafe part.withUnsafeBytes { unsafe Array($0) }
    }

    /// Takes UTF-8 text with its length.
    public mutating func text(limit: Int = WireLimits.name) throws(WireError) -> String {
        guard let text = String(validating: try data(limit: limit), as: UTF8.self) else {
            throw .field("text")
        }
        return text
    }

    /// Takes a list with its count.
    public mutating func list<Element>(
        limit: Int, _ take: (inout WireReader) throws(WireError) -> Element
    ) throws(WireError) -> [Element] {
        let count = Int(try integer(UInt32.self))
        guard count <= limit else { throw .tooLong(count) }
        // An element takes at least one byte, so a count beyond what is left is a lie.
        guard count <= remaining else { throw .truncated }
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count { elements.append(try take(&self)) }
        return elements
    }

    /// Takes a value that may be absent.
    public mutating func optional<Value>(
        _ take: (inout WireReader) throws(WireError) -> Value
    ) throws(WireError) -> Value? {
        try flag() ? try take(&self) : nil
    }

    /// Takes a value of an enumeration by its raw number.
    public mutating func choice<Value: RawRepresentable>(
        _ type: Value.Type = Value.self
    ) throws(WireError) -> Value where Value.RawValue == UInt8 {
        guard let value = Value(rawValue: try integer()) else { throw .field("\(Value.self)") }
        return value
    }

    /// Takes 128 bits.
    public mutating func bits() throws(WireError) -> Bits128 {
        Bits128(high: try integer(), low: try integer())
    }

    /// Takes a duration in nanoseconds.
    public mutating func duration() throws(WireError) -> Duration {
        .nanoseconds(try integer(Int64.self))
    }

    /// Insists that nothing is left.
    public func finish() throws(WireError) {
        guard remaining == 0 else { throw .trailing(remaining) }
    }
}
