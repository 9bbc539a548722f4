public import MigrationModel

/// What goes wrong with the bytes of one direction, from some byte on.
public enum Fault: Hashable, Sendable {
    /// The connection ends, in both directions, as if the program in between had ended.
    case cut
    /// The connection is reset, in both directions: what is under way is lost as well.
    case reset
    /// This direction ends; the other goes on.
    case halfClose
    /// Nothing more arrives in this direction, not even its end, and nobody is told; the other goes
    /// on.
    case vanish
    /// Nothing passes any more, in both directions, and nobody is told.
    case stall
    /// The next byte arrives with one bit, 0–7, turned over.
    case flip(bit: Int)
    /// As many of the last bytes arrive once more.
    case replay(bytes: Int)
    /// As many of the next bytes do not arrive.
    case lose(bytes: Int)
    /// Everything arrives later, in order.
    case delay(Duration)
    /// Everything arrives at no more than a rate.
    case throttle(Bandwidth)
}

/// A fault and where it strikes.
public struct FaultPoint: Hashable, Sendable {
    /// How many bytes of the direction pass before it; a place that has passed means at once.
    public let offset: UInt64
    /// What happens then.
    public let fault: Fault

    /// Places a fault.
    public init(_ fault: Fault, after offset: UInt64) {
        self.offset = offset
        self.fault = fault
    }
}

/// The faults of one direction as a pure function of the bytes that go in.
public struct FaultedStream: Sendable {
    /// What comes out.
    public enum Piece: Hashable, Sendable {
        /// Bytes that arrive a while after they were sent, and not sooner than their number allows.
        case bytes([UInt8], delay: Duration, rate: Bandwidth?)
        /// The end, one of `cut`, `reset`, `halfClose` and `stall`; nothing comes after it.
        case end(Fault)
    }

    /// How many bytes have gone in.
    public private(set) var position: UInt64 = 0
    private var points: [FaultPoint] = []
    private var recent: [UInt8] = []
    /// How many of the last bytes the planned replays need.
    private var memory = 0
    private var lost = 0
    private var flips: UInt8 = 0
    /// Whether nothing arrives any more.
    public private(set) var vanishes = false
    private var hasEnded = false
    private var delay = Duration.zero
    private var rate: Bandwidth?

    /// A direction with faults at some places.
    public init(_ points: [FaultPoint] = []) {
        for point in points { add(point) }
    }

    /// Adds a fault; of several at one place the one added first comes first.
    public mutating func add(_ point: FaultPoint) {
        let place = points.firstIndex { $0.offset > point.offset } ?? points.count
        points.insert(point, at: place)
        if case .replay(let count) = point.fault { memory = max(memory, count) }
    }

    /// Passes bytes on.
    public mutating func pass(_ bytes: [UInt8]) -> [Piece] {
        var pieces = strike()
        var rest = bytes[...]
        while !rest.isEmpty, !hasEnded {
            let room = points.first.map { $0.offset - position } ?? .max
            let part = rest.prefix(Int(clamping: room))
            rest = rest.dropFirst(part.count)
            pieces += carry(part)
            pieces += strike()
        }
        return pieces
    }

    /// What happens at the present place before another byte comes.
    public mutating func strike() -> [Piece] {
        var pieces: [Piece] = []
        while let point = points.first, point.offset <= position, !hasEnded {
            points.removeFirst()
            switch point.fault {
            case .cut, .reset, .halfClose, .stall:
                hasEnded = true
                pieces.append(.end(point.fault))
            case .vanish: vanishes = true
            case .flip(let bit): flips ^= 1 << (bit & 7)
            case .replay(let count): pieces += arrive(recent.suffix(max(0, count)))
            case .lose(let count): lost += max(0, count)
            case .delay(let time): delay = time
            case .throttle(let limit): rate = limit
            }
        }
        return pieces
    }

    private mutating func carry(_ bytes: ArraySlice<UInt8>) -> [Piece] {
        position += UInt64(bytes.count)
        let dropped = min(lost, bytes.count)
        lost -= dropped
        var left = Array(bytes.dropFirst(dropped))
        if let first = left.first, flips != 0 {
            left[0] = first ^ flips
            flips = 0
        }
        if memory > 0 {
            recent += left
            recent.removeFirst(max(0, recent.count - memory))
        }
        return arrive(left[...])
    }

    private func arrive(_ bytes: ArraySlice<UInt8>) -> [Piece] {
        bytes.isEmpty || vanishes ? [] : [.bytes(Array(bytes), delay: delay, rate: rate)]
    }
}
