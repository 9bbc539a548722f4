import FrameTransport
import LinuxSystem
public import MigrationModel
import SSHTransport
import Synchronization
import WireProtocol

/// A conversation with the agent of a host, over SSH.
///
/// Requests are made one at a time. Any task may use it; one task at a time receives. A request
/// that is cancelled or late leaves the conversation of no use, since the answer may still come.
public final class AgentConnection: Sendable {
    /// The host.
    public let host: HostRecord
    private let pump: SSHPump
    private let outbox = Outbox()
    private let inbox = Inbox()
    private let endReason = Mutex<LivemigError?>(nil)
    private let strayNotes = Mutex<[Finding]>([])

    /// The longest wait for the answer to a management request.
    public static let requestLimit = Duration.seconds(30)
    /// The longest wait for a VM to start.
    public static let startLimit = Duration.seconds(60)
    /// How long a host may take to end a conversation before it is cut off.
    public static let closingLimit = Duration.seconds(5)

    init(_ host: HostRecord, _ pump: SSHPump, end number: CInt) throws(LivemigError) {
        self.host = host
        self.pump = pump
        let place = host.name.text
        let socket = OwnedDescriptor(owning: number)
        let reading = try socket.duplicate().release()
        let writing = socket.release()
        _ = WorkerThread("agent-reader") { [inbox] in
            let channel = try DescriptorChannel(socket: OwnedDescriptor(owning: reading), at: place)
            inbox.run(FrameChannel(channel, at: place))
        }
        _ = WorkerThread("agent-writer") { [outbox] in
            let channel = try DescriptorChannel(socket: OwnedDescriptor(owning: writing), at: place)
            try outbox.run(FrameChannel(channel, at: place))
        }
    }

    deinit { pump.stop() }

    /// Whether the host still listens, as far as is known, and has said nothing that nobody took.
    var isIdle: Bool { inbox.isQuiet && !pump.hasEnded }

    /// Waits for the agent's greeting.
    func hello() async throws(LivemigError) {
        let limit = host.timeouts.answer
        let late = LivemigError(
            .stall, "no greeting of livemig-agent for \(limit.brief)", at: host.name.text,
            fix:
                "raise the host's answerTimeout if it is overloaded; else run \(host.agent) there to "
                + "see what it waits for")
        let item = try await withDeadline(limit, late: late) { [inbox] in
            await inbox.next()
        }
        switch item {
        case .banner(let banner) where banner.role == .agent: return
        case .banner(let banner):
            throw LivemigError(
                .hello, "the program there is a \(banner.role.rawValue), not an agent",
                at: host.name.text)
        case .end(let error?):
            throw AgentFailure.beforeGreeting(error, await ended(), host: host)
        case .end(nil), .frame, nil:
            throw LivemigError(.cancelled, "connection ended on request", at: host.name.text)
        }
    }

    /// Sends a message that has no answer of its own.
    func send(_ message: some WireMessage) { outbox.send(message) }

    /// Says that nothing more will be sent; what the agent still says can be received.
    func hangUp() { outbox.close() }

    /// Holds the calling thread back while the host takes less than is sent; not for tasks.
    func waitForRoom() { outbox.waitForRoom() }

    /// Takes the next frame.
    /// - Throws: `E-DISCONNECTED` or another reason why nothing more comes, `E-WIRE` for bytes that
    ///   are no frame, `E-CANCELLED` when the task was cancelled.
    func receive() async throws(LivemigError) -> Frame {
        switch await inbox.next() {
        case .frame(let frame): return frame
        case .end(let error?) where error.code != .disconnected:
            throw remember(error.named(host.name))
        case .end(let error):
            throw remember(AgentFailure.afterGreeting(error, await ended(), host: host.name))
        case .banner: throw remember(LivemigError(.wire, "a second greeting", at: host.name.text))
        case nil:
            let reason = endReason.withLock { $0 }
            throw reason
                ?? LivemigError(.cancelled, "connection ended on request", at: host.name.text)
        }
    }

    /// Takes the next frame, which must come within a limit if there is one.
    /// - Throws: as without a limit; `E-STALL` when the limit is over.
    func receive(within limit: Duration?) async throws(LivemigError) -> Frame {
        guard let limit else { return try await receive() }
        let late = silence("nothing came for \(limit.brief)")
        return try await withDeadline(limit, late: late) { () async throws(LivemigError) in
            try await self.receive()
        }
    }

    private func silence(_ what: String) -> LivemigError {
        LivemigError(
            .stall, what, at: host.name.text,
            fix: "the host or the path to it may be overloaded: try again when it has less to do")
    }

    /// Sends a request and waits for its answer; notes of a move that is over are kept for
    /// `leave`.
    ///
    /// - Parameters:
    ///   - message: the request.
    ///   - reply: the answer that is expected.
    ///   - limit: the longest wait.
    /// - Throws: the agent's error, with the host's name; `E-STALL` when no answer comes in time;
    ///   and as `receive`.
    func request<Reply: WireMessage>(
        _ message: some WireMessage, for reply: Reply.Type,
        within limit: Duration = AgentConnection.requestLimit
    ) async throws(LivemigError) -> Reply {
        outbox.send(message)
        let late = silence("no answer for \(limit.brief)")
        let frame = try await withDeadline(limit, late: late) { () async throws(LivemigError) in
            while true {
                let frame = try await self.receive()
                if frame.type != .note { return frame }
                self.keepNote(frame)
            }
        }
        do {
            return try frame.decode(reply)
        } catch {
            throw error.named(host.name)
        }
    }

    /// Ends the conversation and waits until its threads and the SSH connection are gone; a host
    /// that does not end it within `grace` is cut off.
    public func close(grace: Duration = AgentConnection.closingLimit) async {
        outbox.close()
        inbox.abandon()
        _ = await PumpEnd.of(pump, grace: grace)
    }

    /// Ends the conversation once the host has said all that is left, such as what went wrong with
    /// hooks after moves; a host that is silent for `closingLimit` is waited for no longer.
    /// - Returns: the notes that nobody has taken.
    func leave() async -> [Finding] {
        hangUp()
        do throws(LivemigError) {
            while true { keepNote(try await receive(within: Self.closingLimit)) }
        } catch {
            // That nothing more comes is what was waited for.
        }
        await close()
        return strayNotes.withLock { $0 }
    }

    private func keepNote(_ frame: Frame) {
        guard frame.type == .note, var finding = try? frame.decode(NoteMessage.self).finding
        else { return }
        finding.place = host.name.among(finding.place)
        strayNotes.withLock { $0.append(finding) }
    }

    private func ended() async -> Result<SSHExit, LivemigError> {
        outbox.close()
        return await PumpEnd.of(pump, grace: .seconds(3))
    }

    private func remember(_ error: LivemigError) -> LivemigError {
        endReason.withLock { $0 = error }
        return error
    }
}

/// Waiting for a pump.
enum PumpEnd {
    /// Waits for the end of a pump, and stops it when it takes longer than `grace`.
    static func of(_ pump: SSHPump, grace: Duration) async -> Result<SSHExit, LivemigError> {
        let timer = Task {
            try await Task.sleep(for: grace)
            pump.stop()
        }
        defer { timer.cancel() }
        do throws(LivemigError) {
            return .success(
                try await BlockingWork.run("ssh-join") { () throws(LivemigError) in
                    try pump.join()
                })
        } catch {
            return .failure(error)
        }
    }
}

extension LivemigError {
    /// The same error, with the host that said it among its places.
    public func named(_ host: HostName) -> LivemigError {
        var copy = self
        copy.place = host.among(place)
        return copy
    }
}

extension HostName {
    /// A place, with this host in it.
    func among(_ place: String) -> String {
        if place.isEmpty { return text }
        return place.contains(text) ? place : "\(text): \(place)"
    }
}
