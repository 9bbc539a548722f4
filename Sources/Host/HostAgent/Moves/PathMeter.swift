import LinuxSystem
import MigrationModel

/// What the device state will take on the link, as the link is now.
///
/// Lanes may be many, and held back by a limit; the state goes on the link alone. Used by the thread
/// of the move, between rounds, while the lanes have nothing to send.
final class PathMeter {
    private let link: PeerLink
    private let budget: Duration
    private let state: ByteCount
    private var measured: [Duration] = []
    private var calls = 0

    /// How much is sent to measure by: enough to fill a slow path, and little on a fast one.
    private static let sample = 128 << 10
    /// How long that may take.
    private static let patience: Duration = .seconds(20)
    /// A path that may be too slow is measured again with every so many rounds.
    private static let interval = 4
    /// How many measurements count: one alone may be that of a busy moment.
    private static let window = 3

    /// - Parameters:
    ///   - link: to the destination.
    ///   - budget: the longest stop to aim for.
    ///   - state: how large the device state will be, as far as is known.
    init(_ link: PeerLink, budget: Duration, state: ByteCount) {
        self.link = link
        self.budget = budget
        self.state = state
    }

    /// What it takes beyond what every hand-over costs.
    func deviceState() -> Duration {
        defer { calls += 1 }
        // The first sample opens TCP's window, the second shows the path.
        if calls == 0 { measure() }
        if calls == 0 || (calls % Self.interval == 0 && latest * 4 > budget) { measure() }
        return latest
    }

    private var latest: Duration { measured.suffix(Self.window).min() ?? .zero }

    /// A link that breaks says so elsewhere.
    private func measure() {
        guard let whole = try? link.time(of: Self.sample, deadline: .now + Self.patience) else {
            return
        }
        let roundTrip = (link.clock?.uncertainty ?? .zero) * 2
        let seconds = max((whole - roundTrip).seconds, 1e-6)
        measured.append(
            DeviceStateEstimate.extra(state, bytesPerSecond: Double(Self.sample) / seconds))
    }
}
