import FrameTransport
import LinuxSystem
import MigrationEngine
import MigrationModel
import WireProtocol

/// The source's end of the link to the destination: sends steps, and keeps what comes back.
///
/// A thread of its own receives; the move waits for what it needs next.
final class PeerLink: Sendable {
    private struct State {
        var machine = Readiness.starting
        var ready: Ready?
        var areHashesWanted = false
        var compared: ImageCompared?
        var acknowledged: (OwnerAcknowledged, at: MonotonicTime)?
        var aborted: Aborted?
        var reach: [NetworkReach]?
        var clock: ClockOffset?
        /// The probe whose answer is waited for, and that it has come.
        var measured: UInt64?
        var failure: LivemigError?
        var hasEnded = false
    }

    /// Whether the destination can take the guest.
    enum Readiness: Hashable {
        /// Its hypervisor starts.
        case starting
        /// Its network does not let the guest in.
        case awaits(PortsAwaited)
        /// It can.
        case ready
    }

    let sink: FrameSink
    private let state = Monitor(State())
    private let attempt: Attempt
    private let place: String

    /// What a source waits for while the guest stands still.
    private static let readiness =
        "READY within \(MigrationPolicy.blackoutLimit.brief) of the guest's stop"

    /// Goes on with a connection on which the introduction is done.
    init(_ sink: FrameSink, _ attempt: Attempt, at place: String) {
        self.sink = sink
        self.attempt = attempt
        self.place = place
    }

    /// Receives until the connection ends.
    ///
    /// Runs on a thread of its own.
    ///
    /// - Parameters:
    ///   - channel: the receiving side.
    ///   - board: learns of placed rounds, and fails with the link.
    func receive(
        on channel: inout FrameChannel<DescriptorChannel>, board: RoundBoard
    ) {
        do throws(LivemigError) {
            while let frame = try channel.receive() {
                try take(frame, board: board)
            }
            throw LivemigError(.disconnected, "the destination ended the connection", at: place)
        } catch {
            state.withLock {
                $0.failure = $0.failure ?? error
                $0.hasEnded = true
            }
            board.fail(error)
        }
    }

    private func take(_ frame: Frame, board: RoundBoard) throws(LivemigError) {
        switch frame.type {
        case .roundPlaced: try board.placed(try frame.decode(RoundPlaced.self).round)
        case .clockReply:
            let reply = try frame.decode(ClockReply.self)
            note(reply, at: .now)
            board.arrived(reply.batches)
        case .machineReady: state.withLock { $0.machine = .ready }
        case .portsAwaited:
            let awaited = try frame.decode(PortsAwaited.self)
            state.withLock { $0.machine = .awaits(awaited) }
        case .guestReached:
            let reached = try frame.decode(GuestReached.self)
            try require(reached.attempt)
            state.withLock { $0.reach = reached.reach }
        case .ready:
            let ready = try frame.decode(Ready.self)
            try require(ready.attempt)
            state.withLock { $0.ready = ready }
        case .hashesWanted:
            try require(try frame.decode(HashesWanted.self).attempt)
            state.withLock { $0.areHashesWanted = true }
        case .imageCompared:
            let compared = try frame.decode(ImageCompared.self)
            try require(compared.attempt)
            state.withLock { $0.compared = compared }
        case .ownerAcknowledged:
            let acknowledged = try frame.decode(OwnerAcknowledged.self)
            try require(acknowledged.attempt)
            let now = MonotonicTime.now
            state.withLock { $0.acknowledged = $0.acknowledged ?? (acknowledged, now) }
        case .aborted:
            let aborted = try frame.decode(Aborted.self)
            try require(aborted.attempt)
            state.withLock { $0.aborted = aborted }
            board.fail(told(aborted.reason.error))
        case .failure: throw told(try frame.decode(FailureMessage.self).error)
        default: throw LivemigError(.wire, "\(WireError.type(frame.type.rawValue))", at: place)
        }
    }

    /// What the peer said, with the peer among its places.
    private func told(_ error: LivemigError) -> LivemigError {
        guard !error.place.contains(place) else { return error }
        var copy = error
        copy.place = error.place.isEmpty ? place : "\(place): \(error.place)"
        return copy
    }

    private func require(_ attempt: Attempt) throws(LivemigError) {
        guard attempt == self.attempt else {
            throw LivemigError(.migrationID, "an answer of another attempt", at: place)
        }
    }

    /// Nothing more is to be expected of the move, for a reason on this host.
    func fail(_ error: LivemigError) {
        state.withLock { $0.failure = $0.failure ?? error }
    }

    // MARK: Clock

    /// Asks for the peer's clock, which also shows both ends that the other is there.
    func probeClock() throws(LivemigError) {
        try sink.send(ClockProbe(sent: MonotonicTime.now.nanoseconds))
    }

    private func note(_ reply: ClockReply, at received: MonotonicTime) {
        let offset = ClockOffset(
            sent: MonotonicTime(nanoseconds: reply.sent), received: received,
            answered: reply.answered)
        state.withLock {
            $0.clock = ClockOffset.better($0.clock, offset)
            $0.measured = reply.sent
        }
    }

    /// How long a number of bytes take to the peer and an answer back.
    /// - Throws: `E-STALL` when no answer comes in time; why the link has ended.
    func time(of bytes: Int, deadline: MonotonicTime) throws(LivemigError) -> Duration {
        let start = MonotonicTime.now
        try sink.send(
            ClockProbe(sent: start.nanoseconds, filler: [UInt8](repeating: 0, count: bytes)))
        try wait(deadline, for: "an answer to \(bytes) bytes") {
            $0.measured == start.nanoseconds ? () : nil
        }
        return start.elapsed
    }

    /// The best measurement of the peer's clock so far.
    var clock: ClockOffset? { state.withLock { $0.clock } }

    // MARK: Waiting

    /// Waits until the destination's hypervisor can take the device state.
    /// - Returns: what keeps the guest off the network there; `nil` when nothing does.
    func waitForMachine(deadline: MonotonicTime) throws(LivemigError) -> PortsAwaited? {
        try wait(deadline, for: "its hypervisor to be ready") { state -> PortsAwaited?? in
            switch state.machine {
            case .starting: nil
            case .awaits(let awaited): .some(awaited)
            case .ready: .some(nil)
            }
        }
    }

    /// Waits a while for the destination's network to let the guest in.
    /// - Returns: whether it does.
    func waitForPorts(deadline: MonotonicTime) throws(LivemigError) -> Bool {
        try result(deadline) { $0.machine == .ready ? () : nil } != nil
    }

    /// Waits for how soon bridges knew of the guest; `nil` when it does not come in time.
    func waitForReach(deadline: MonotonicTime) -> [NetworkReach]? {
        try? result(deadline) { $0.reach }
    }

    /// Waits for the destination's READY.
    /// - Parameter afterHashes: whether the page hashes that it may want have been sent.
    /// - Returns: `nil` when it wants the page hashes, for the memories differ.
    func waitForReady(
        deadline: MonotonicTime, afterHashes: Bool = false
    ) throws(LivemigError) -> Ready? {
        try wait(deadline, for: Self.readiness, as: .blackout) { state -> Ready?? in
            if let ready = state.ready { return .some(ready) }
            return state.areHashesWanted && !afterHashes ? .some(nil) : nil
        }
    }

    /// Waits for the result of an audit.
    /// - Parameter afterHashes: whether the page hashes that it may want have been sent.
    /// - Returns: `nil` when the destination wants the page hashes, for the memories differ.
    func waitForComparison(
        deadline: MonotonicTime, afterHashes: Bool = false
    ) throws(LivemigError) -> DifferingPages? {
        try wait(deadline, for: "the result of the audit") { state -> DifferingPages?? in
            if let compared = state.compared { return .some(compared.differing) }
            return state.areHashesWanted && !afterHashes ? .some(nil) : nil
        }
    }

    /// Waits for the destination to say that it owns the guest, or that it refuses it.
    /// - Returns: `nil` when neither came in time.
    func waitForAcknowledgement(deadline: MonotonicTime) throws(LivemigError)
        -> (OwnerAcknowledged, at: MonotonicTime)?
    {
        let result = state.wait(deadline: deadline) {
            state -> Result<(OwnerAcknowledged, at: MonotonicTime), LivemigError>? in
            if let acknowledged = state.acknowledged { return .success(acknowledged) }
            if let aborted = state.aborted { return .failure(told(aborted.reason.error)) }
            if state.hasEnded, let failure = state.failure { return .failure(failure) }
            return nil
        }
        return try result?.get()
    }

    /// Waits for the destination's durable refusal; `false` when it did not come in time.
    func waitForRefusal(deadline: MonotonicTime) -> Bool {
        state.wait(deadline: deadline) { state -> Bool? in
            if state.aborted != nil { return true }
            return state.hasEnded ? false : nil
        } ?? false
    }

    /// Whether the destination has refused durably.
    var isRefused: Bool { state.withLock { $0.aborted != nil } }

    private func wait<Value>(
        _ deadline: MonotonicTime, for what: String, as code: ErrorCode = .stall,
        _ ready: @escaping (State) -> Value?
    ) throws(LivemigError) -> Value {
        guard let value = try result(deadline, ready) else {
            throw LivemigError(code, "waited in vain for \(what)", at: place)
        }
        return value
    }

    private func result<Value>(
        _ deadline: MonotonicTime, _ ready: @escaping (State) -> Value?
    ) throws(LivemigError) -> Value? {
        let result = state.wait(deadline: deadline) { state -> Result<Value, LivemigError>? in
            if let value = ready(state) { return .success(value) }
            if let aborted = state.aborted { return .failure(told(aborted.reason.error)) }
            return state.failure.map { .failure($0) }
        }
        return try result?.get()
    }
}

/// How far the peer's clock is ahead of ours, known to within half a round-trip.
struct ClockOffset: Hashable, Sendable {
    /// The peer's nanoseconds minus ours.
    let nanoseconds: Int64
    /// The most the offset can be wrong by, either way.
    let uncertainty: Duration

    init(sent: MonotonicTime, received: MonotonicTime, answered: UInt64) {
        let roundTrip = received - sent
        uncertainty = roundTrip / 2
        let middle = sent + roundTrip / 2
        nanoseconds = Int64(bitPattern: answered &- middle.nanoseconds)
    }

    /// The one with the smaller uncertainty.
    static func better(_ one: ClockOffset?, _ other: ClockOffset) -> ClockOffset {
        guard let one, one.uncertainty <= other.uncertainty else { return other }
        return one
    }

    /// The latest that a moment of the peer's clock can have been by ours.
    func latest(_ peer: UInt64) -> MonotonicTime {
        MonotonicTime(nanoseconds: peer &- UInt64(bitPattern: nanoseconds)) + uncertainty
    }
}
