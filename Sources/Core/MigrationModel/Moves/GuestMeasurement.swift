/// What a source has measured of a guest, and of the lanes to a destination, for a prediction.
public struct GuestMeasurement: Hashable, Sendable {
    /// A span of time in which it was counted which pages the guest writes.
    public struct Window: Hashable, Sendable {
        /// How long it was.
        public var length: Duration
        /// How many different pages were written in it: the least and the most of several.
        public var dirtiedPages: ClosedRange<UInt64>

        /// States a window.
        public init(length: Duration, dirtiedPages: ClosedRange<UInt64>) {
            self.length = length
            self.dirtiedPages = dirtiedPages
        }

        /// States a window that was measured once.
        public init(length: Duration, dirtiedPages: UInt64) {
            self.init(length: length, dirtiedPages: dirtiedPages...dirtiedPages)
        }
    }

    /// What lanes carried that were opened to be measured.
    public struct Lanes: Hashable, Sendable {
        /// How many there were; a move would have as many.
        public var count: Int
        /// What they carried together.
        public var rate: ClosedRange<Bandwidth>
        /// From the source to the destination and back.
        public var roundTrip: Duration

        /// States what was measured.
        public init(count: Int, rate: ClosedRange<Bandwidth>, roundTrip: Duration) {
            self.count = count
            self.rate = rate
            self.roundTrip = roundTrip
        }
    }

    /// Pages in use, zero pages included.
    public var populatedPages: UInt64
    /// How many of them are zeros, by a sample.
    public var zeroPages: UInt64
    /// Windows of increasing length.
    public var windows: [Window]
    /// Bytes of guest memory for a byte on the wire, by a sample of what is in use and of what the
    /// guest writes.
    public var codingRatio: ClosedRange<Double>
    /// How large the device state will be, as far as is known.
    public var deviceState: ByteCount
    /// The lanes, or why they were not measured.
    public var lanes: Result<Lanes, LivemigError>

    /// States measurements.
    public init(
        populatedPages: UInt64, zeroPages: UInt64, windows: [Window],
        codingRatio: ClosedRange<Double>, deviceState: ByteCount = DeviceStateEstimate.size,
        lanes: Result<Lanes, LivemigError>
    ) {
        self.populatedPages = populatedPages
        self.zeroPages = zeroPages
        self.windows = windows
        self.codingRatio = codingRatio
        self.deviceState = deviceState
        self.lanes = lanes
    }
}
