import FrameTransport
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// What a relaying controller is between two agents, with all frames of the link in its hands.
///
/// It records, damages, repeats and adds what a test likes. Everything else of the move is real.
final class FrameRelay {
    /// Which way a frame goes.
    enum Way: Hashable, Sendable { case toDestination, toSource }

    /// A frame as an agent sent it.
    struct Message: Hashable, Sendable {
        let way: Way
        let type: FrameType
        let payload: [UInt8]
    }

    /// What becomes of a frame.
    enum Passage: Hashable, Sendable {
        case whole
        /// One bit arrives turned over, counted from the start of the header, or back from the end.
        case flipped(bit: Int)
        /// Nothing of it arrives.
        case lost
        /// Its bytes arrive twice.
        case twice
        /// It arrives twice, numbered as if it had been sent twice.
        case sentTwice
        /// Another frame arrives before it, numbered as if its sender had sent both.
        case after(Message)
        /// Another frame arrives in its place.
        case replaced(by: Message)
    }

    private let heard = Monitor<[Message]>([])
    private var doors: [Door] = []
    private var threads: [WorkerThread<Void>] = []

    /// Carries the link and the one lane of a move that has begun.
    ///
    /// - Parameters:
    ///   - move: the move, with the relay as its path.
    ///   - source: where it starts.
    ///   - destination: where it goes.
    ///   - rule: decides on each frame of the link.
    init(
        _ move: MoveInProgress, from source: TestHost, to destination: TestHost,
        _ rule: @escaping @Sendable (Message) -> Passage
    ) throws {
        let migration = move.attempt.migration.description
        try expectSoon(within: .seconds(10)) {
            [source, destination].allSatisfy {
                let door = "\($0.root)/moves/door.lanes.\(migration)/socket"
                return unsafe access(door, F_OK) == 0
            }
        }
        let near = try open(source, ["--attach", migration])
        let far = try open(destination, [])
        try carry(near, far, .toDestination, rule)
        try carry(far, near, .toSource, rule)
        // The first connection that comes to the source is its link.
        guard heard.wait(deadline: .now + .seconds(10), until: { $0.first }) != nil else {
            throw LivemigError(.timeout, "nothing came on the link")
        }
        let (first, second) = try UnixSocket.pair(.stream).release()
        doors.append(
            try Door(source, ["--attach", migration], OwnedDescriptor(owning: first)))
        doors.append(try Door(destination, [], OwnedDescriptor(owning: second)))
    }

    /// All frames of the link so far, as they were sent.
    var messages: [Message] { heard.withLock { $0 } }

    /// Waits until a frame of a type was sent.
    func wait(for type: FrameType) throws -> Message {
        let found = heard.wait(deadline: .now + .seconds(10)) { $0.last { $0.type == type } }
        guard let found else { throw LivemigError(.timeout, "no \(type) on the link") }
        return found
    }

    /// Opens a connection to a host; returns this end of it.
    private func open(_ host: TestHost, _ options: [String]) throws -> OwnedDescriptor {
        let (mine, theirs) = try UnixSocket.pair(.stream).release()
        let end = OwnedDescriptor(owning: mine)
        doors.append(try Door(host, options, OwnedDescriptor(owning: theirs)))
        return end
    }

    private func carry(
        _ from: borrowing OwnedDescriptor, _ to: borrowing OwnedDescriptor, _ way: Way,
        _ rule: @escaping @Sendable (Message) -> Passage
    ) throws {
        let (input, output) = (try from.duplicate().release(), try to.duplicate().release())
        let heard = heard
        threads.append(
            WorkerThread("relay") {
                let output = OwnedDescriptor(owning: output)
                defer { _ = shutdown(output.number, CInt(SHUT_WR)) }
                var reading = FrameChannel(
                    try DescriptorChannel(socket: OwnedDescriptor(owning: input)), at: "relay")
                let banner = try reading.receiveBanner()
                try DescriptorIO.write(Array(banner.line.utf8), to: output.number)
                var writing = Writing()
                while let frame = try reading.receive() {
                    let message = Message(way: way, type: frame.type, payload: frame.payload)
                    heard.withLock { $0.append(message) }
                    let bytes = writing.bytes(of: message, rule(message))
                    // What a receiver that has gone does not take is heard here all the same.
                    try? DescriptorIO.write(bytes, to: output.number)
                }
            })
    }

    /// Numbers frames as their sender would.
    private struct Writing {
        private var sequence: UInt32 = 0

        mutating func bytes(of message: Message, _ passage: Passage) -> [UInt8] {
            switch passage {
            case .whole: return next(message)
            case .flipped(let bit):
                var bytes = next(message)
                let place = bit < 0 ? bytes.count * 8 + bit : bit
                bytes[place / 8] ^= 1 << (place % 8)
                return bytes
            case .lost:
                _ = next(message)
                return []
            case .twice:
                let bytes = next(message)
                return bytes + bytes
            case .sentTwice: return next(message) + next(message)
            case .after(let other): return next(other) + next(message)
            case .replaced(let other): return next(other)
            }
        }

        private mutating func next(_ message: Message) -> [UInt8] {
            let head = unsafe FrameHeader(
                type: message.type, payload: message.payload.span.bytes, sequence: sequence)
            sequence &+= 1
            return head.encoded + message.payload
        }
    }

    /// The process by which a connection enters a host.
    private final class Door {
        private let process: ChildProcess

        init(
            _ host: TestHost, _ options: [String], _ socket: consuming OwnedDescriptor
        ) throws {
            process = try ChildProcess(
                .init(
                    try BuildProducts.program("livemig-agent"),
                    ["lane", "--root", host.root] + options,
                    descriptors: [0: socket.number, 1: socket.number]))
        }

        deinit { process.end() }
    }
}
