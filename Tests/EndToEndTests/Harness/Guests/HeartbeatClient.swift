import Glibc
import LinuxSystem
import MigrationModel
import TestSupport

/// One TCP connection to the guest's echo server, over which the guest is asked for its heartbeat
/// all the time.
final class HeartbeatClient: Sendable {
    private struct State {
        var asked = 0
        var answered = 0
        var lastBeat = 0
        var lastAnswer = MonotonicTime.now
        var longestSilence = Duration.zero
        var isEnding = false
    }

    private let state = Monitor(State())
    private let thread: WorkerThread<Void>

    /// How often the guest is asked, whether or not it has answered.
    private static let interval = Duration.milliseconds(5)
    /// How long the last answers are waited for.
    private static let patience = Duration.seconds(10)

    /// Connects, and asks from now on.
    init(
        to address: String, port: Int = 7000, in namespace: NetworkNamespace
    ) throws(LivemigError) {
        let socket = try TCPSocket.connect(to: address, port: port, in: namespace).release()
        var yes: CInt = 1
        // A question that waits for the answer to the one before would hide the guest's silence.
        _ = unsafe setsockopt(
            socket, CInt(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<CInt>.size))
        thread = WorkerThread("heartbeat") { [state] in
            try Self.ask(OwnedDescriptor(owning: socket), state)
        }
    }

    /// The longest time between two answers since the last call, the running one included.
    func takeLongestSilence() -> Duration {
        state.withLock { state in
            defer { state.longestSilence = .zero }
            return max(state.longestSilence, state.lastAnswer.elapsed)
        }
    }

    /// Stops asking.
    /// - Returns: how many answers came, one to every question.
    /// - Throws: when the connection has ended, or an answer is missing or no answer.
    func stop() throws -> Int {
        state.withLock { $0.isEnding = true }
        try thread.join()
        return state.withLock { $0.answered }
    }

    private static func ask(
        _ socket: borrowing OwnedDescriptor, _ state: Monitor<State>
    ) throws(LivemigError) {
        var next = MonotonicTime.now
        var end: MonotonicTime?
        var rest = ""
        while true {
            let (isEnding, isComplete) = state.withLock { ($0.isEnding, $0.asked == $0.answered) }
            if isEnding, isComplete { return }
            if isEnding, end == nil { end = .now + patience }
            if let end, end < .now {
                throw LivemigError(.timeout, "the guest does not answer any more")
            }
            if !isEnding, next <= .now {
                try DescriptorIO.write(
                    Array("beat\n".utf8), to: socket.number, stall: patience, at: "guest")
                state.withLock { $0.asked += 1 }
                next = .now + interval
            }
            let ready = try Poll.wait([.init(socket.number)], timeout: interval)
            guard !ready.isEmpty else { continue }
            let bytes = try DescriptorIO.readAvailable(upTo: 64 << 10, from: socket.number)
            guard !bytes.isEmpty else {
                throw LivemigError(.disconnected, "the guest ended the connection")
            }
            rest = try take(rest + String(decoding: bytes, as: UTF8.self), state)
        }
    }

    /// Takes whole lines in and returns what is left.
    private static func take(
        _ text: String, _ state: Monitor<State>
    ) throws(LivemigError) -> String {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let rest = lines.removeLast()
        for line in lines {
            guard let beat = Beat(String(line)), beat.corrupt == 0 else {
                throw LivemigError(.io, "not the answer of a sound guest: \(line.prefix(200))")
            }
            try state.withLock { state throws(LivemigError) in
                guard beat.number >= state.lastBeat else {
                    throw LivemigError(.io, "beat \(beat.number) after \(state.lastBeat)")
                }
                let now = MonotonicTime.now
                state.lastBeat = beat.number
                state.longestSilence = max(state.longestSilence, now - state.lastAnswer)
                state.lastAnswer = now
                state.answered += 1
            }
        }
        return String(rest)
    }
}
