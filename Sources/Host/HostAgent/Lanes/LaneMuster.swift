import LinuxSystem
import MigrationModel

/// Settles which lanes a move has before any of them is introduced.
///
/// A host that limits its connections (sshd_config(5), MaxStartups and PerSourceMaxStartups;
/// limits.conf(5), maxlogins; a firewall) lets in some lanes and not others. The destination has to
/// know how many come, so every lane reports here first, and those that stand are numbered anew.
final class LaneMuster: Sendable {
    /// A lane's place among those that stand.
    struct Place: Hashable, Sendable {
        /// From 1.
        let number: Int
        /// How many stand.
        let count: Int
    }

    private struct State: Sendable {
        var standing: [Int] = []
        var missing = 0
        var reason: LivemigError?
        var isSettled = false
    }

    private let lanes: Int
    private let deadline: MonotonicTime
    private let state = Monitor(State())
    private let onSettled: @Sendable (_ count: Int, _ reason: LivemigError?) -> Void

    /// How long lanes that stand wait for others; the destination waits for 30 s.
    static let patience: Duration = .seconds(15)

    /// A muster of a number of lanes.
    /// - Parameters:
    ///   - lanes: how many are being opened, at least 1.
    ///   - patience: how long lanes that stand wait for others.
    ///   - onSettled: told once, by one of the lanes, how many stand and why others do not.
    init(
        of lanes: Int, patience: Duration = LaneMuster.patience,
        onSettled: @escaping @Sendable (_ count: Int, _ reason: LivemigError?) -> Void
    ) {
        self.lanes = lanes
        deadline = .now + patience
        self.onSettled = onSettled
    }

    /// Whether an error only says that a host took no further connection.
    ///
    /// The link was let in with the same key: a lane that meets something else than livemig's
    /// greeting has met a limit, too, with or without words of PAM.
    static func isOfLimit(_ error: LivemigError) -> Bool {
        switch error.code {
        case .connect, .connectDropped, .disconnected, .stall, .hello: true
        default: false
        }
    }

    /// A lane stands: waits until it is known which others do.
    /// - Returns: its place; `nil` when it came too late and is not needed.
    func arrive(_ lane: Int) -> Place? {
        let isCounted = state.withLock { state in
            guard !state.isSettled else { return false }
            state.standing.append(lane)
            return true
        }
        guard isCounted else { return nil }
        settle(waitingUntil: deadline)
        return state.withLock { state in
            state.standing.firstIndex(of: lane).map {
                Place(number: $0 + 1, count: state.standing.count)
            }
        }
    }

    /// A lane did not come about.
    /// - Returns: whether the move has to end: no lane stands.
    func miss(_ error: LivemigError) -> Bool {
        state.withLock { state in
            state.missing += 1
            state.reason = state.reason ?? error
            return !state.isSettled && state.missing == lanes
        }
    }

    private func settle(waitingUntil deadline: MonotonicTime) {
        let lanes = lanes
        let isComplete = { (state: inout State) -> Bool? in
            state.isSettled || state.standing.count + state.missing >= lanes ? true : nil
        }
        _ = state.wait(deadline: deadline, until: isComplete)
        let settled = state.withLock { state -> (Int, LivemigError?)? in
            guard !state.isSettled else { return nil }
            state.isSettled = true
            return (state.standing.count, state.reason)
        }
        if let settled { onSettled(settled.0, settled.1) }
    }
}
