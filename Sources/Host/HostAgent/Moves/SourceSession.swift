import CrashPoints
import FrameTransport
import Glibc
import Handoff
import LinuxSystem
import MigrationEngine
import MigrationModel
import PageCodec
import SSHTransport
import WireProtocol

/// The connections and threads of one move on the source, closed together.
final class SourceSession: Sendable {
    let board: RoundBoard
    let link: PeerLink
    private let connection: LaneConnection
    private let pump: SSHPump?
    private let lanes: [WorkerThread<Void>]
    private let receiver: WorkerThread<Void>
    private let ticker: WorkerThread<Void>
    private let control: MoveControl

    /// How often the controller hears of progress, and the peer is asked for its clock.
    private static let tick: Duration = .milliseconds(200)
    private static let ticksPerProbe = 5

    /// Opens the link and all lanes.
    ///
    /// - Parameters:
    ///   - role: the move.
    ///   - definition: the VM.
    ///   - image: guest RAM.
    ///   - pageCount: its pages.
    ///   - guardian: the worker's connection to the guardian, watched for its end.
    init(
        _ role: SourceRole, _ definition: VMDefinition, _ image: SourceImage, pageCount: Int,
        guardian: CInt
    ) throws(LivemigError) {
        let count = role.request.policy.lanes ?? Self.defaultLanes(for: definition.memory)
        let board = RoundBoard(pageCount: pageCount, lanes: count)
        let opener = LaneOpener(
            root: role.environment.root, request: role.request, uuid: definition.uuid,
            lanes: count, muster: Self.muster(of: count, board, role))
        self.board = board
        control = role.control
        role.control.attach(board)
        let route = try opener.route()
        // A relaying controller brings connections from now on.
        role.events.sendIfPossible(PhaseMessage(.connecting))
        let open = try opener.openLink(route, beside: board.activity)
        let (place, events, control) = (role.request.peer.name, role.events, role.control)
        pump = open.pump
        let connection = open.connection
        self.connection = connection
        let link = PeerLink(open.takeSink(), role.request.attempt, at: place)
        CrashPoint.reach(.sourceLinkOpen)
        self.link = link
        receiver = WorkerThread("link") {
            var channel = FrameChannel(
                try connection.receiver(
                    stall: HandoffLimits.linkSilence,
                    silence: SharedSilence(board.activity, contributes: false), at: place),
                at: place, received: 1)
            link.receive(on: &channel, board: board)
        }
        ticker = WorkerThread("ticker") {
            try Self.tick(control, board, link, events) { () throws(LivemigError) in
                try role.checkGuardian(guardian)
            }
        }
        let limiter = BandwidthLimiter(role.request.policy.bandwidth)
        let compression = CodecPolicy(role.request.policy.compression)
        var threads: [WorkerThread<Void>] = []
        do throws(LivemigError) {
            for number in 1...count {
                let thread = try opener.startLane(number, route, board) {
                    (number) throws(LivemigError) in
                    try LaneSender(
                        lane: number - 1, board: board, image: image, compression: compression,
                        limiter: limiter)
                }
                threads.append(thread)
            }
        } catch {
            board.fail(error)
            lanes = threads
            close()
            throw error
        }
        lanes = threads
    }

    /// Has a move go on with the lanes that stand, and say so.
    private static func muster(
        of lanes: Int, _ board: RoundBoard, _ role: SourceRole
    ) -> LaneMuster {
        let (events, peer) = (role.events, role.request.peer.name)
        return LaneMuster(of: lanes) { count, reason in
            guard count < lanes else { return }
            board.reduce(lanes: count)
            let why = reason.map { ": \($0.what)" } ?? ""
            events.sendIfPossible(
                NoteMessage(
                    Finding(
                        .warning(.lanes), "\(count) of \(lanes) lanes are used\(why)", at: peer,
                        fix: "raise MaxStartups in sshd_config there, or use --lanes \(count)")))
        }
    }

    /// The memory for which a lane is worth its connection: some 50 ms of a processor on each host.
    private static let memoryPerLane = ByteCount.mebibytes(128)

    /// One lane for each processor, and at most four: a lane is bound by its cipher or its window;
    /// fewer for a small guest.
    static func defaultLanes(for memory: ByteCount) -> Int {
        let worthwhile = Int(clamping: memory.bytes / memoryPerLane.bytes)
        return max(1, min(4, Processors.count, worthwhile))
    }

    private static func tick(
        _ control: MoveControl, _ board: RoundBoard, _ link: PeerLink, _ events: FrameSink,
        _ check: () throws(LivemigError) -> Void
    ) throws(LivemigError) {
        var ticks = 0
        while true {
            do throws(LivemigError) { try check() } catch {
                if control.cancel(error) { link.fail(error) }
            }
            if ticks % ticksPerProbe == 0 { try? link.probeClock() }
            ticks += 1
            if control.waitForEnd(tick) { return }
            let progress = board.progress
            guard let round = progress.round else { continue }
            events.sendIfPossible(
                ProgressMessage(
                    RoundProgress(
                        round: Int(round), done: progress.claimed, total: progress.total,
                        wireBytes: progress.wireBytes)))
        }
    }

    /// Ends every thread and connection, and waits for them.
    func close() {
        control.end()
        board.end()
        for lane in lanes { _ = try? lane.join() }
        link.sink.finish()
        connection.end()
        _ = try? receiver.join()
        _ = try? ticker.join()
        pump?.stop()
        _ = try? pump?.join()
    }
}

/// The number of processors that this process may use.
enum Processors {
    static var count: Int { Int(sysconf(CInt(_SC_NPROCESSORS_ONLN))) }
}

extension CodecPolicy {
    init(_ compression: MigrationPolicy.Compression) {
        switch compression {
        case .auto: self = .auto
        case .none: self = .none
        case .lz4: self = .lz4
        case .zstd: self = .zstd
        }
    }
}
