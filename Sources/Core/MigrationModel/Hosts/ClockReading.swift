/// How far a host's wall clock is ahead of the observer's, as exactly as a question can tell.
///
/// The host read its clock at some moment between the question and the answer: a host that takes
/// three seconds to answer is not three seconds off.
public struct ClockReading: Hashable, Sendable {
    /// The difference if the clock was read half-way; negative where the host is behind.
    public let offset: Duration
    /// The most that the offset can be wrong by, either way: half of what the answer took.
    public let uncertainty: Duration

    /// States a reading.
    public init(offset: Duration, uncertainty: Duration = .zero) {
        self.offset = offset
        self.uncertainty = uncertainty
    }

    /// Takes a reading in.
    ///
    /// - Parameters:
    ///   - reading: what the host said, in milliseconds since 1970, any number.
    ///   - asked: when it was asked, by the observer's wall clock in the same unit.
    ///   - took: how long the answer took, by a clock that is not set.
    public init(_ reading: UInt64, asked: UInt64, took: Duration) {
        let half = max(.zero, took) / 2
        let ahead: Duration = .milliseconds(
            reading >= asked
                ? Int64(clamping: reading - asked) : 0 - Int64(clamping: asked - reading))
        self.init(offset: ahead - half, uncertainty: half)
    }

    /// How far this clock is ahead of another that the same observer has read.
    public func ahead(of other: ClockReading) -> ClockReading {
        ClockReading(
            offset: offset - other.offset, uncertainty: uncertainty + other.uncertainty)
    }

    /// The difference without its direction.
    public var size: Duration { offset < .zero ? .zero - offset : offset }

    /// Whether the difference is above a limit beyond doubt.
    public func exceeds(_ limit: Duration) -> Bool { size - uncertainty > limit }
}
