import FrameTransport
import Handoff
import LinuxSystem
import MigrationEngine
import MigrationModel
import WireProtocol

extension SourceRole {
    /// How long the pauses between rounds are: each is twice the one before, so that a long wait
    /// leaves little to send in the end and costs few rounds.
    private static let pauses = (first: Duration.seconds(1), last: Duration.seconds(8))
    /// How often somebody who wants to stop is heard meanwhile.
    private static let attention: Duration = .milliseconds(100)

    /// Waits until the destination can take the guest, and goes on with rounds meanwhile.
    ///
    /// The rounds have converged before; after a pause they do so again, for what was written
    /// meanwhile would lengthen the stop.
    ///
    /// - Throws: `E-STALL` when the hypervisor does not start in time, the destination's reason
    ///   when its network does not let the guest in, `E-TIMEOUT` when the move's time is over and
    ///   that is to end it, and why the move was given up.
    func awaitPorts(
        _ preCopy: inout PreCopy, _ session: SourceSession, _ deadline: MonotonicTime
    ) throws(LivemigError) {
        var pause = Self.pauses.first
        while let awaited = try session.link.waitForMachine(
            deadline: .now + HandoffLimits.preparation)
        {
            events.sendIfPossible(PhaseMessage(.waiting))
            let end = MonotonicTime.now + pause
            while try !session.link.waitForPorts(deadline: min(end, .now + Self.attention)) {
                try control.check()
                try requireTime(deadline, awaited)
                if .now >= end { break }
            }
            pause = min(pause * 2, Self.pauses.last)
            try preCopy.catchUp()
            try runRounds(&preCopy, session, deadline)
        }
    }

    private func requireTime(
        _ deadline: MonotonicTime, _ awaited: PortsAwaited
    ) throws(LivemigError) {
        guard request.policy.onTimeout == .abort, deadline <= .now else { return }
        throw LivemigError(
            .timeout,
            "the time was over before bridge \(awaited.bridge) let the guest in",
            at: request.peer.name,
            fix: "raise --timeout: it may take \(awaited.limit.brief) with spanning tree")
    }
}
