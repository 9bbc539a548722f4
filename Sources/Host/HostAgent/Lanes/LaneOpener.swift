import FrameTransport
import Glibc
import Handoff
import LinuxSystem
import MigrationEngine
import MigrationModel
import PageCodec
import SSHTransport
import WireProtocol

/// Opens the source's connections to the destination: the link first, then the data lanes.
struct LaneOpener: Sendable {
    let root: HostRoot
    let request: StartOutgoing
    let uuid: VMUUID
    /// The most data lanes.
    let lanes: Int
    /// Where lanes of this host's own connections gather.
    let muster: LaneMuster

    /// How long a relaying controller may take to bring a connection.
    private static let relayPatience: Duration = .seconds(10)

    /// How connections come about.
    enum Route: ~Copyable {
        /// This host connects to the destination.
        case direct(SSHEndpoint)
        /// The controller brings connections.
        case relay(LaneListener)
    }

    /// Decides how connections come about; those of a relaying controller can come from now on.
    func route() throws(LivemigError) -> Route {
        if request.policy.path == .relay {
            return .relay(
                try LaneListener(root: root, migration: request.attempt.migration))
        }
        return .direct(try Self.endpoint(of: request.peer, root))
    }

    /// Where a peer's sshd is, and this host's key for it.
    static func endpoint(
        of peer: StartOutgoing.Peer, _ root: HostRoot
    ) throws(LivemigError) -> SSHEndpoint {
        let keys = PeerKeys(root: root)
        var endpoint = try server(peer, keys)
        let way = peer.jumps + [peer]
        endpoint.jumps = try zip(way, way.dropFirst()).map { hop, next throws(LivemigError) in
            var endpoint = try server(hop, keys)
            endpoint.isListed = false
            endpoint.refusalFix = try forwardingAdvice(hop, to: next, keys)
            return endpoint
        }
        return endpoint
    }

    private static func server(
        _ peer: StartOutgoing.Peer, _ keys: PeerKeys
    ) throws(LivemigError) -> SSHEndpoint {
        let files = keys.presentFiles()
        guard let first = files.first else {
            throw LivemigError(
                .authentication, "this host has no key for \(peer.name) yet", at: keys.root.path,
                fix: "let the hosts trust each other: livemig host trust SOURCE \(peer.name)")
        }
        var endpoint = SSHEndpoint(
            name: peer.name, address: peer.address, port: Int(peer.port), user: peer.user,
            identity: first, hostKeys: peer.hostKeys)
        endpoint.identities = Array(files.dropFirst())
        return endpoint
    }

    /// The lines that let this host's keys through a jump host, and do nothing else there (sshd(8),
    /// "AUTHORIZED_KEYS FILE FORMAT").
    private static func forwardingAdvice(
        _ hop: StartOutgoing.Peer, to next: StartOutgoing.Peer, _ keys: PeerKeys
    ) throws(LivemigError) -> String {
        let address = next.address.contains(":") ? "[\(next.address)]" : next.address
        let options = "restrict,port-forwarding,permitopen=\"\(address):\(next.port)\""
        let lines = try keys.presentKeys().map { "\(options) \($0.line)" }
        return "add to authorized_keys of \(hop.user) on \(hop.name): "
            + lines.joined(separator: " and: ")
    }

    /// What sshd runs by the forced command, whatever is asked for.
    static func command() throws(LivemigError) -> RemoteCommand {
        try RemoteCommand(["livemig-agent", "lane"])
    }

    /// Opens the link; its pump goes on by itself.
    /// - Parameters:
    ///   - route: how connections come about.
    ///   - activity: what moves on the lanes, whose turns it may have to wait for.
    func openLink(
        _ route: borrowing Route, beside activity: Activity
    ) throws(LivemigError) -> OpenLink {
        switch route {
        case .direct(var endpoint):
            endpoint.silence = SharedSilence(activity, contributes: false)
            let pump = try SSHPump(to: endpoint, running: try Self.command(), retries: 3)
            let connection = try LaneConnection(socket: try pump.connect())
            do throws(LivemigError) {
                return try link(over: connection, pump)
            } catch {
                throw GateFailure.explain(error, pump, request.peer.name)
            }
        case .relay(let listener):
            return try link(over: try take(from: listener), nil)
        }
    }

    private func link(
        over connection: LaneConnection, _ pump: SSHPump?
    ) throws(LivemigError) -> OpenLink {
        var frames = try greet(
            try connection.channel(stall: HandoffLimits.linkSilence, at: request.peer.name))
        try introduce(&frames, lane: 0, of: lanes)
        return OpenLink(pump: pump, connection: connection, channel: frames)
    }

    /// Exchanges greetings: whoever answers is livemig.
    private func greet<Channel: ByteChannel & ~Copyable>(
        _ channel: consuming Channel
    ) throws(LivemigError) -> FrameChannel<Channel> {
        var frames = FrameChannel(channel, at: request.peer.name)
        try frames.sendBanner(.agent)
        _ = try frames.receiveBanner()
        return frames
    }

    /// Introduces a connection and waits until the destination accepts it.
    private func introduce<Channel: ByteChannel & ~Copyable>(
        _ frames: inout FrameChannel<Channel>, lane: Int, of lanes: Int
    ) throws(LivemigError) {
        try frames.send(
            LaneHello(attempt: request.attempt, uuid: uuid, lane: lane, lanes: lanes))
        guard let answer = try frames.receive() else {
            throw LivemigError(
                .disconnected, "the destination ended the connection", at: request.peer.name)
        }
        _ = try answer.decode(LaneAccepted.self)
    }

    /// Starts a data lane on a thread of its own: connects, and sends until the board says stop.
    ///
    /// - Parameters:
    ///   - number: the lane, from 1; a direct one gets another number where earlier lanes are
    ///     missing.
    ///   - route: how connections come about.
    ///   - board: learns of a failure.
    ///   - sender: makes the sender of a number, on the lane's thread.
    func startLane(
        _ number: Int, _ route: borrowing Route, _ board: RoundBoard,
        _ sender: @escaping @Sendable (Int) throws(LivemigError) -> LaneSender
    ) throws(LivemigError) -> WorkerThread<Void> {
        let (opener, name) = (self, "lane \(number)")
        switch route {
        case .direct(var endpoint):
            endpoint.silence = SharedSilence(board.activity, contributes: true)
            let (endpoint, command) = (endpoint, try Self.command())
            return WorkerThread(name) {
                board.failing { () throws(LivemigError) in
                    guard let frames = try opener.connect(endpoint, command),
                        let place = opener.muster.arrive(number)
                    else { return }
                    try opener.carry(frames, place, sender)
                }
            }
        case .relay(let listener):
            let connection = try take(from: listener)
            return WorkerThread(name) {
                defer { connection.end() }
                board.failing { () throws(LivemigError) in
                    let frames = try opener.greet(
                        try connection.channel(at: opener.request.peer.name))
                    try opener.carry(frames, .init(number: number, count: opener.lanes), sender)
                }
            }
        }
    }

    /// Connects a lane; `nil` where the destination takes no further connection and others stand.
    ///
    /// A lane stands once it was greeted: PAM's limits end a session after the login.
    private func connect(
        _ endpoint: SSHEndpoint, _ command: RemoteCommand
    ) throws(LivemigError) -> FrameChannel<SSHBulkChannel>? {
        do throws(LivemigError) {
            return try greet(SSHBulkChannel(to: endpoint, running: command))
        } catch {
            guard !muster.miss(error), LaneMuster.isOfLimit(error) else { throw error }
            return nil
        }
    }

    private func carry<Channel: ByteChannel & ~Copyable>(
        _ frames: consuming FrameChannel<Channel>, _ place: LaneMuster.Place,
        _ sender: (Int) throws(LivemigError) -> LaneSender
    ) throws(LivemigError) {
        var sender = try sender(place.number)
        try introduce(&frames, lane: place.number, of: place.count)
        try sender.run(on: &frames)
        try frames.finish()
    }

    private func take(from listener: borrowing LaneListener) throws(LivemigError) -> LaneConnection
    {
        let deadline = MonotonicTime.now + Self.relayPatience
        while true {
            let left = max(.zero, deadline - .now)
            guard try !Poll.wait([.init(listener.descriptor)], timeout: left).isEmpty else {
                throw LivemigError(
                    .connect, "the controller brought no connection in \(Self.relayPatience.brief)"
                )
            }
            if let connection = try listener.accept() { return connection }
        }
    }
}

/// The link, introduced, and what keeps it going.
struct OpenLink: ~Copyable {
    let pump: SSHPump?
    let connection: LaneConnection
    private let channel: FrameChannel<DescriptorChannel>

    init(
        pump: SSHPump?, connection: LaneConnection,
        channel: consuming FrameChannel<DescriptorChannel>
    ) {
        self.pump = pump
        self.connection = connection
        self.channel = channel
    }

    /// The sending side.
    consuming func takeSink() -> FrameSink { FrameSink(channel) }
}

extension RoundBoard {
    /// Runs a lane's work; its failure is the move's.
    func failing(_ work: () throws(LivemigError) -> Void) {
        do throws(LivemigError) { try work() } catch { fail(error) }
    }
}
