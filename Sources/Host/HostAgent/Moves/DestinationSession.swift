import CrashPoints
import FrameTransport
import Guardian
import Handoff
import LinuxSystem
import MigrationEngine
import MigrationModel
import WireProtocol

/// The connections and threads of one move on the destination, closed together.
final class DestinationSession {
    let board: PlacementBoard
    let image: DestinationImage
    private(set) var link: LaneConnection?
    private(set) var sink: FrameSink?
    private var receiver: FrameChannel<DescriptorChannel>?
    private let attempt: Attempt
    private let uuid: VMUUID
    private let place: String
    private let sourceKeys: [String]
    private let outbox: Outbox
    private var lanes: [Int: (connection: LaneConnection, thread: WorkerThread<Void>)] = [:]
    private var expected: Int?
    let network: DestinationNetwork

    init(
        attempt: Attempt, uuid: VMUUID, image: DestinationImage, place: String,
        sourceKeys: [String], network: DestinationNetwork
    ) {
        self.attempt = attempt
        self.uuid = uuid
        self.image = image
        self.place = place
        self.sourceKeys = sourceKeys
        self.network = network
        let outbox = Outbox()
        self.outbox = outbox
        board = PlacementBoard { (round) throws(LivemigError) in
            CrashPoint.reach(.destinationRoundPlaced)
            try outbox.sink().send(RoundPlaced(round: round))
        }
    }

    /// Waits until the link and all lanes are there and the hypervisor is ready.
    ///
    /// Pages are placed from the moment their lane is there.
    ///
    /// - Throws: `E-CANCELLED` when the controller goes before the source has come, `E-STALL` when
    ///   the lanes do not come, and what happens to the link or the hypervisor.
    func gather(
        _ listener: borrowing LaneListener, _ guardian: borrowing GuardianClient,
        _ control: IncomingControl
    ) throws(LivemigError) {
        var patience = HandoffLimits.preparation + HostHook.limit
        var deadline = MonotonicTime.now + patience
        var isMachineReady = false
        var isAnnounced = false
        while sink == nil || expected != lanes.count || !isMachineReady {
            if let failure = board.failure { throw failure }
            var interests = [Poll.Interest(listener.descriptor)]
            if !isMachineReady { interests.append(.init(guardian.descriptor)) }
            interests.append(.init(link?.descriptor ?? control.descriptor))
            let ready = try Poll.wait(interests, timeout: max(.zero, deadline - .now))
            if let link, ready.contains(link.descriptor) { try answerProbe() }
            if link == nil, ready.contains(control.descriptor) {
                throw LivemigError(.cancelled, "the controller has gone before the source came")
            }
            guard !ready.isEmpty else {
                throw LivemigError(
                    .stall, "the source opened \(lanes.count) lanes in \(patience.brief)",
                    at: place)
            }
            if ready.contains(guardian.descriptor) {
                _ = try guardian.receive().decode(GuardianState.self)
                isMachineReady = true
            }
            if ready.contains(listener.descriptor) {
                if let connection = try listener.accept() { try admit(connection) }
                if sink != nil, patience > HandoffLimits.preparation {
                    patience = HandoffLimits.preparation
                    deadline = .now + patience
                }
            }
            if isMachineReady, !isAnnounced, let sink {
                try network.look(telling: sink)
                isAnnounced = true
                CrashPoint.reach(.destinationMachineReady)
            }
        }
    }

    /// The next frame on the link; `nil` when the source has ended it.
    func receive() throws(LivemigError) -> Frame? { try receiver?.receive() }

    /// While lanes gather, the source only asks for the clock.
    private func answerProbe() throws(LivemigError) {
        guard let frame = try receive() else {
            throw LivemigError(.disconnected, "the source ended the connection", at: place)
        }
        try answer(try frame.decode(ClockProbe.self), to: sink)
    }

    /// Tells the source what this host's clock says, and how far its pages have come.
    func answer(_ probe: ClockProbe, to sink: FrameSink?) throws(LivemigError) {
        try sink?.send(
            ClockReply(
                sent: probe.sent, answered: MonotonicTime.now.nanoseconds, batches: board.batches))
    }

    /// Checks a connection's introduction and puts it to use.
    ///
    /// One of another peer than the source is refused, and does the move no harm.
    private func admit(_ connection: LaneConnection) throws(LivemigError) {
        if let peer = connection.peer, !peer.isSource(place, sourceKeys) {
            return refuse(connection, of: peer)
        }
        let hello = try introduction(of: connection)
        guard hello.attempt == attempt, hello.uuid == uuid else {
            throw LivemigError(.migrationID, "a lane of another migration came", at: place)
        }
        // The link comes before it is known how many lanes the hosts let through.
        let count = hello.lane == 0 ? nil : hello.lanes
        guard count == nil || expected ?? hello.lanes == hello.lanes, lanes[hello.lane] == nil,
            hello.lane != 0 || sink == nil
        else { throw LivemigError(.wire, "lane \(hello.lane) came twice", at: place) }
        if expected == nil, let count {
            expected = count
            board.begin(lanes: hello.lanes)
        }
        if hello.lane == 0 {
            let sink = FrameSink(
                FrameChannel(try connection.channel(at: place), at: place, received: 1))
            receiver = FrameChannel(
                try connection.receiver(at: place), at: place, received: 1)
            try sink.send(LaneAccepted())
            link = connection
            self.sink = sink
            outbox.open(sink)
            CrashPoint.reach(.destinationLinkOpen)
        } else {
            lanes[hello.lane] = (connection, try start(connection, lane: hello.lane))
            CrashPoint.reach(.destinationLaneOpen)
        }
    }

    private func refuse(_ connection: LaneConnection, of peer: LanePeer) {
        let refusal = LivemigError(
            .peer, "the move comes from \(place), not from \(peer.name.escaped())",
            fix: "run livemig host trust for the two hosts again if they are the same host")
        if let channel = try? connection.channel(at: place) {
            FrameSink(FrameChannel(channel, at: place)).sendIfPossible(FailureMessage(refusal))
        }
        connection.end()
    }

    private func introduction(of connection: LaneConnection) throws(LivemigError) -> LaneHello {
        let hello = connection.hello
        do throws(WireError) {
            return try unsafe LaneHello(payload: hello.span.bytes)
        } catch {
            throw LivemigError(.wire, "\(error)", at: place)
        }
    }

    private func start(
        _ connection: LaneConnection, lane: Int
    ) throws(LivemigError) -> WorkerThread<Void> {
        let (board, image, outbox, place) = (board, image, outbox, place)
        return WorkerThread("lane \(lane)") {
            do throws(LivemigError) {
                var channel = FrameChannel(
                    try connection.channel(
                        silence: SharedSilence(board.activity, contributes: true), at: place),
                    at: "\(place) lane \(lane)", received: 1)
                try channel.send(LaneAccepted())
                var receiver = try LaneReceiver(lane: lane - 1, board: board, image: image)
                try receiver.run(on: &channel)
            } catch {
                board.fail(error)
                outbox.report(error)
            }
        }
    }

    /// Ends every connection and thread, and waits for them.
    func close() {
        board.fail(LivemigError(.disconnected, "the move is over"))
        for lane in lanes.values {
            lane.connection.end()
            _ = try? lane.thread.join()
        }
        lanes = [:]
        network.end()
        sink?.finish()
        link?.end()
        link = nil
    }
}

/// Where lanes send what is for the source: the link, once it is there.
final class Outbox: Sendable {
    private let state = Monitor<FrameSink?>(nil)

    func open(_ sink: FrameSink) { state.withLock { $0 = sink } }

    /// Waits for the link, which a source opens before its lanes.
    func sink() throws(LivemigError) -> FrameSink {
        guard let sink = state.wait(deadline: .now + .seconds(10), until: { $0 }) else {
            throw LivemigError(.stall, "the source opened lanes and no link")
        }
        return sink
    }

    /// Tells the source what went wrong, if there is a link.
    func report(_ error: LivemigError) {
        state.withLock { $0 }?.sendIfPossible(FailureMessage(error))
    }
}
