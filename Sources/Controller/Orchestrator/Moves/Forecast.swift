import MigrationModel
public import Planner
import WireProtocol

/// What is wanted to be known of a move in advance.
public struct ForecastRequest: Hashable, Sendable {
    /// What the hand-over of this guest has cost before, besides its last pages; `nil` where that
    /// is not known.
    public var knownHandOver: ClosedRange<Duration>?

    /// Asks for a forecast.
    public init(knownHandOver: ClosedRange<Duration>? = nil) {
        self.knownHandOver = knownHandOver
    }
}

/// A prediction, and what a move would use.
public struct Forecast: Hashable, Sendable {
    /// How many lanes there would be.
    public let lanes: Int
    /// What the move would be like.
    public let prediction: Prediction
    /// Whether the guest's earlier moves say what its hand-over costs.
    public let knowsHandOver: Bool

    /// Joins them.
    public init(lanes: Int, prediction: Prediction, knowsHandOver: Bool) {
        self.lanes = lanes
        self.prediction = prediction
        self.knowsHandOver = knowsHandOver
    }
}

extension Forecast {
    /// How long the agent may take: windows, opening lanes, and samples.
    private static let patience: Duration = .seconds(60)
    /// What the engine's rule reckons with.
    private static let reckonedHandOver: Duration = .milliseconds(25)

    /// Lets the source measure the guest and the lanes; the guest runs.
    ///
    /// - Parameters:
    ///   - request: what is wanted.
    ///   - machine: the guest.
    ///   - terms: how the move would go.
    ///   - source: its host.
    /// - Throws: the source's error; why the lanes were not measured.
    static func make(
        _ request: ForecastRequest, _ machine: MachineSummary, _ terms: MoveTerms,
        from source: AgentConnection
    ) async throws(LivemigError) -> Forecast {
        let question = MeasureGuest(
            name: try VMName(machine.name), peer: terms.peer, policy: terms.policy)
        let measurement = try await source.request(
            question, for: GuestMeasured.self, within: patience
        ).measurement
        let lanes = try measurement.lanes.get()
        let stop = request.knownHandOver ?? handOver(of: machine.kind)
        var measurements = Measurements(
            populatedPages: measurement.populatedPages, zeroPages: measurement.zeroPages,
            windows: measurement.windows, laneRate: lanes.rate.shared,
            codingRatio: measurement.codingRatio, handOver: reckonedHandOver, stop: stop,
            roundTrip: lanes.roundTrip, downtimeBudget: terms.policy.maxDowntime,
            bandwidthLimit: terms.policy.bandwidth)
        // The device state is not held back by the limit, and lanes within it say little of the path.
        if terms.policy.bandwidth == nil {
            measurements.deviceState = DeviceStateEstimate.extra(
                measurement.deviceState,
                bytesPerSecond: Double(lanes.rate.lowerBound.bytesPerSecond))
        }
        return Forecast(
            lanes: lanes.count, prediction: Prediction(measurements),
            knowsHandOver: request.knownHandOver != nil)
    }

    /// What hand-overs cost, by experience: a process gives its few bytes of state at once, QEMU
    /// needs time to stop, save, load and resume.
    private static func handOver(of kind: VMDefinition.Kind) -> ClosedRange<Duration> {
        switch kind {
        case .synthetic: .milliseconds(5) ... .milliseconds(30)
        case .kvm, .qemu: .milliseconds(15) ... .milliseconds(70)
        }
    }
}

extension ClosedRange<Bandwidth> {
    /// What the rounds of a move get out of lanes that were measured so: less, for the destination
    /// places pages and rounds wait for their last one, or a little more, once codecs are chosen.
    fileprivate var shared: ClosedRange<Bandwidth> {
        let low = Double(lowerBound.bytesPerSecond) * 0.5
        let high = Swift.min(Double(upperBound.bytesPerSecond) * 1.3, 9e18)
        return Bandwidth(bytesPerSecond: UInt64(low))...Bandwidth(bytesPerSecond: UInt64(high))
    }
}
