import FrameTransport
import LinuxSystem
import MigrationModel
import SSHTransport
import WireProtocol

/// Tries, as a source, what a move does first, and leaves nothing behind at either end.
///
/// It opens a lane to the destination as it is seen from here, and sends on it.
struct PathProbe: Sendable {
    let root: HostRoot
    let request: ProbePath

    /// How long the destination may be silent: as long as on a lane that a move has opened.
    private static let patience: Duration = .seconds(5)
    /// How much is sent: several packets of any size, and less than SSH's window.
    private static let sample = 192 << 10

    /// What stands in the way; nothing where the path is as a move needs it.
    func findings() -> [Finding] {
        do throws(LivemigError) {
            try run()
            return []
        } catch {
            return [finding(explained(error))]
        }
    }

    /// What answers without a greeting is found out by knocking: a `ForceCommand`, say.
    private func explained(_ error: LivemigError) -> LivemigError {
        guard error.code == .hello || error.code == .disconnected else { return error }
        do throws(LivemigError) {
            _ = try PeerKnock(root: root).knock(at: request.peer)
            return error
        } catch {
            return error
        }
    }

    private func run() throws(LivemigError) {
        var endpoint = try LaneOpener.endpoint(of: request.peer, root)
        endpoint.stallTimeout = Self.patience
        let channel = try SSHBulkChannel(
            to: endpoint, running: try LaneOpener.command(), retries: 1)
        var frames = FrameChannel(channel, at: request.peer.name)
        try frames.sendBanner(.agent)
        _ = try frames.receiveBanner()
        try frames.send(LaneProbe(number: 0))
        try requireIdentity(try answer(on: &frames).host)
        do throws(LivemigError) {
            try sendSample(on: &frames)
            try frames.send(LaneProbe(number: 1))
            _ = try answer(on: &frames)
        } catch  where error.code == .stall {
            throw LivemigError(
                .stall, "small packets reach it and large ones do not",
                at: endpoint.place,
                fix: "lower the MTU of this host's interface, or let ICMP pass "
                    + "(path MTU discovery)")
        }
        try frames.finish()
    }

    private func answer(
        on frames: inout FrameChannel<SSHBulkChannel>
    ) throws(LivemigError) -> LaneProbed {
        guard let frame = try frames.receive() else {
            throw LivemigError(
                .disconnected, "the destination ended the connection", at: request.peer.name)
        }
        return try frame.decode(LaneProbed.self)
    }

    private func sendSample(
        on frames: inout FrameChannel<SSHBulkChannel>
    ) throws(LivemigError) {
        var bytes = [UInt8](repeating: 0, count: FrameHeader.size + Self.sample)
        var span = bytes.mutableSpan
        var frame = unsafe span.mutableBytes
        try frames.send(frame: &frame, type: .batch)
    }

    /// A clone answers with the destination's host key, and may know this host's key as well.
    private func requireIdentity(_ host: String) throws(LivemigError) {
        guard !host.isEmpty, !request.identity.isEmpty, host != request.identity else { return }
        let address = "\(request.peer.address):\(request.peer.port)"
        let who = host == root.identity ? "this host itself" : "another host"
        throw LivemigError(
            .network, "\(who) answers at \(address), with the host key of \(request.peer.name)",
            at: request.peer.name, fix: "give each host a host key of its own")
    }

    /// Says from where it was tried; what to do about an address is the same for all reasons.
    private func finding(_ error: LivemigError) -> Finding {
        let others = error.code == .authentication || error.code == .gate
        let way =
            "name an address that the source reaches (host add --address, or a "
            + "migrationNetwork of both hosts), or move with --path relay"
        return Finding(
            .error(error.code), "the source opens no lane to \(request.peer.name): \(error.what)",
            at: error.place,
            fix: others
                ? error.fix : [error.fix, way].filter { !$0.isEmpty }.joined(separator: "; "))
    }
}
