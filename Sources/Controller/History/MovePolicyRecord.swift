public import MigrationModel

/// How a move was to behave, in the words that operators use, so that another version can read it.
public struct MovePolicyRecord: Codable, Hashable, Sendable {
    /// The longest stop of the guest to aim for.
    public var maxDowntimeMs: Double
    /// The longest time before the switchover.
    public var timeoutMs: Double
    /// What then.
    public var onTimeout: String
    /// The most bytes a second on the wire.
    public var bandwidth: UInt64?
    /// The number of data lanes that was asked for.
    public var lanes: Int?
    /// How pages were to be compressed.
    public var compression: String
    /// How page data was to reach the destination.
    public var path: String
    /// Whether a paused guest could be moved.
    public var keepPaused: Bool
    /// How memory was to be compared.
    public var verify: String

    /// Keeps a policy.
    public init(_ policy: MigrationPolicy) {
        maxDowntimeMs = policy.maxDowntime.milliseconds
        timeoutMs = policy.timeout.milliseconds
        onTimeout = "\(policy.onTimeout)"
        bandwidth = policy.bandwidth?.bytesPerSecond
        lanes = policy.lanes
        compression = "\(policy.compression)"
        path = "\(policy.path)"
        keepPaused = policy.keepPaused
        verify = policy.verification.word
    }
}

/// What was predicted of a move before it began.
public struct MovePrediction: Codable, Hashable, Sendable {
    /// From the least to the most that was expected.
    public struct Span<Value: Codable & Hashable & Sendable>: Codable, Hashable, Sendable {
        /// The least.
        public var low: Value
        /// The most.
        public var high: Value

        /// States a span.
        public init(_ low: Value, _ high: Value) {
            self.low = low
            self.high = high
        }
    }

    /// The number of rounds.
    public var rounds: Span<Int>
    /// From the first page to the guest running on the destination.
    public var totalMs: Span<Double>
    /// The guest's stop.
    public var blackoutMs: Span<Double>

    /// States a prediction.
    public init(rounds: Span<Int>, totalMs: Span<Double>, blackoutMs: Span<Double>) {
        self.rounds = rounds
        self.totalMs = totalMs
        self.blackoutMs = blackoutMs
    }
}

extension MovePrediction.Span where Value: Comparable {
    /// Whether a value lies within.
    public func contains(_ value: Value) -> Bool { low <= value && value <= high }
}
