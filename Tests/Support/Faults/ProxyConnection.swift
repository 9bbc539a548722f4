import Glibc
import LinuxSystem
import MigrationModel

/// A connection through a fault proxy; used by the proxy's thread alone.
final class ProxyConnection {
    let number: Int
    let generation: Int
    private let client: OwnedDescriptor
    private let server: OwnedDescriptor
    private var streams: [FaultProxy.Direction: ProxyStream] = [:]
    private var isStalled = false
    private(set) var hasEnded = false

    init(
        _ number: Int, _ generation: Int, client: consuming OwnedDescriptor,
        server: consuming OwnedDescriptor
    ) {
        self.number = number
        self.generation = generation
        streams = [
            .toServer: ProxyStream(from: client.number, to: server.number),
            .toClient: ProxyStream(from: server.number, to: client.number),
        ]
        hasEnded = server.number < 0
        for socket in [client.number, server.number] { Self.sendAtOnce(socket) }
        self.client = client
        self.server = server
    }

    /// Small messages must not wait for the acknowledgement of those before (tcp(7)).
    private static func sendAtOnce(_ socket: CInt) {
        var on: CInt = 1
        _ = unsafe setsockopt(
            socket, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
    }

    var traffic: FaultProxy.Traffic {
        var traffic = FaultProxy.Traffic()
        for (direction, stream) in streams { traffic[direction] = stream.position }
        traffic.hasEnded = hasEnded
        return traffic
    }

    /// What to wait for; nothing where nothing may pass.
    var interests: [Poll.Interest] {
        isStalled || hasEnded ? [] : streams.values.compactMap(\.interest)
    }

    /// When bytes that are held back may go on.
    var nextDue: MonotonicTime? {
        isStalled || hasEnded ? nil : streams.values.compactMap(\.nextDue).min()
    }

    /// Puts a fault on the connection if it is meant.
    func apply(_ plan: FaultProxy.Plan, _ generation: Int) {
        guard generation == self.generation, plan.connections.contains(number) else { return }
        streams[plan.direction]?.add(plan.point)
    }

    /// Carries what can be carried; a connection of before the last restart is over.
    func work(_ ready: Set<CInt>, _ generation: Int) {
        guard generation == self.generation else { return end(.cut) }
        guard !isStalled, !hasEnded else { return }
        for direction in FaultProxy.Direction.allCases {
            // Who has gone is not known where nothing arrives from there any more.
            let isHeard = !(streams[direction.opposite]?.isSilent ?? false)
            guard let ending = streams[direction]?.work(ready, isHeard: isHeard) else { continue }
            end(ending)
            return
        }
        if streams.values.allSatisfy(\.hasFinished) { hasEnded = true }
    }

    private func end(_ fault: Fault) {
        guard fault != .stall else {
            isStalled = true
            return
        }
        hasEnded = true
        for socket in [client.number, server.number] {
            if fault == .reset {
                // What was sent and not acknowledged is thrown away, and the peer told (socket(7)).
                var linger = linger(l_onoff: 1, l_linger: 0)
                _ = unsafe setsockopt(
                    socket, SOL_SOCKET, SO_LINGER, &linger,
                    socklen_t(MemoryLayout.size(ofValue: linger)))
            } else {
                _ = shutdown(socket, CInt(SHUT_RDWR))
            }
        }
    }
}

/// One direction of a connection: what has come, and what is still to go out.
struct ProxyStream {
    private let input: CInt
    private let output: CInt
    private var faults = FaultedStream()
    private var queue: [(due: MonotonicTime, bytes: ArraySlice<UInt8>)] = []
    private var lastDue = MonotonicTime(nanoseconds: 0)
    private var queued = 0
    private var hasInputEnded = false
    private var ending: Fault?
    /// Whether its end has gone out.
    private(set) var hasFinished = false

    /// How much is held back before nothing more is read.
    private static let limit = 256 << 10

    init(from input: CInt, to output: CInt) {
        self.input = input
        self.output = output
    }

    var position: UInt64 { faults.position }
    /// Whether nothing arrives any more, not even the end.
    var isSilent: Bool { faults.vanishes }

    mutating func add(_ point: FaultPoint) { faults.add(point) }

    private var mayRead: Bool { !hasInputEnded && ending == nil && queued < Self.limit }
    private var mayWrite: Bool { queue.first.map { $0.due <= .now } ?? false }

    var interest: Poll.Interest? {
        mayWrite ? .init(output, POLLOUT) : mayRead ? .init(input, POLLIN) : nil
    }

    /// When bytes may go on that may not now.
    var nextDue: MonotonicTime? { mayWrite ? nil : queue.first?.due }

    /// Reads and writes what is possible; a fault that ends the connection is returned when all
    /// before it has gone out.
    ///
    /// - Parameters:
    ///   - ready: the sockets that can be read or written.
    ///   - isHeard: whether the other direction arrives, without which the end of its sender is
    ///     not noticed.
    mutating func work(_ ready: Set<CInt>, isHeard: Bool) -> Fault? {
        take(faults.strike())
        if mayRead, ready.contains(input), !receive() {
            guard isSilent else { return .reset }
            hasInputEnded = true
        }
        if !send() {
            guard !isHeard else { return .reset }
            queue = []
            hasInputEnded = true
        }
        guard queue.isEmpty else { return nil }
        if let ending, ending != .halfClose { return ending }
        guard !isSilent else { return nil }
        if hasInputEnded || ending == .halfClose, !hasFinished {
            hasFinished = true
            _ = shutdown(output, CInt(SHUT_WR))
        }
        return nil
    }

    private mutating func take(_ pieces: [FaultedStream.Piece]) {
        for piece in pieces {
            switch piece {
            case .bytes(let bytes, let delay, let rate):
                var due = max(lastDue, .now + delay)
                if let rate {
                    let time = UInt64(bytes.count) * 1_000_000_000 / rate.bytesPerSecond
                    due = due + .nanoseconds(Int64(clamping: time))
                }
                lastDue = due
                queue.append((due, bytes[...]))
                queued += bytes.count
            case .end(let fault): ending = fault
            }
        }
    }

    /// Reads what has come; `false` when the connection is broken.
    private mutating func receive() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 32 << 10)
        let count = unsafe recv(input, &bytes, bytes.count, CInt(MSG_DONTWAIT))
        if count == 0 { hasInputEnded = true }
        if count < 0 { return errno == EAGAIN || errno == EINTR }
        take(faults.pass(Array(bytes.prefix(count))))
        return true
    }

    /// Writes what is due; `false` when the connection is broken.
    private mutating func send() -> Bool {
        while let (due, bytes) = queue.first, due <= .now {
            let flags = CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.send(output, $0.baseAddress, $0.count, flags)
            }
            if count < 0 { return errno == EAGAIN || errno == EINTR }
            queued -= count
            if count == bytes.count {
                queue.removeFirst()
            } else {
                queue[0].bytes = bytes.dropFirst(count)
            }
        }
        return true
    }
}
