import CLinux
import FrameTransport
import Glibc
import Guardian
import LinuxSystem
public import MigrationModel
import Synchronization
import WireProtocol

/// The process that sshd starts for a lane: hands its connection to the migration's worker.
///
/// It reads no more than the greeting and the first frame, so that everything after them reaches
/// the worker, and ends when the worker is done with the lane, which ends the SSH session.
public struct LaneDoor: Sendable {
    private let root: HostRoot

    /// A door to any migration of a host.
    public init(root: HostRoot) { self.root = root }

    /// Serves a peer's agent at standard input and output, until the lane is done.
    public func serve() throws(LivemigError) {
        guard let worker = try admit() else { return }
        try wait(for: worker)
    }

    /// Greets the peer and finds the worker it wants; the greeting's descriptors end with this
    /// call.
    private func admit() throws(LivemigError) -> OwnedDescriptor? {
        var channel = FrameChannel(
            DescriptorChannel(
                reading: try DescriptorNumber.duplicate(STDIN_FILENO),
                writing: try DescriptorNumber.duplicate(STDOUT_FILENO),
                stall: .seconds(10), at: "peer"), at: "peer")
        try channel.sendBanner(.lane)
        _ = try channel.receiveBanner()
        guard let frame = try channel.receive() else { return nil }
        do throws(LivemigError) {
            let hello = try frame.decode(LaneHello.self)
            return try handOver(hello.payload, to: hello.attempt.migration)
        } catch {
            try channel.send(FailureMessage(error))
            throw error
        }
    }

    /// Gives a connection that the controller relays to a worker of this host.
    public func attach(to migration: MigrationID) throws(LivemigError) {
        try wait(for: try handOver([], to: migration))
    }

    /// Passes standard input and output to the worker of a migration; returns the connection to it.
    private func handOver(
        _ hello: [UInt8], to migration: MigrationID
    ) throws(LivemigError) -> OwnedDescriptor {
        let worker: OwnedDescriptor
        do throws(LivemigError) {
            worker = try UnixSocket.connect(
                root.lanes(of: migration), .packets, as: .migrationID)
        } catch {
            throw LivemigError(.migrationID, "no migration \(migration) is under way on this host")
        }
        // A packet without bytes would read as the end.
        try Packet.send(
            [UInt8(ascii: "L")] + hello, with: [STDIN_FILENO, STDOUT_FILENO], to: worker.number)
        return worker
    }

    /// Waits until the worker is done with the lane.
    ///
    /// sshd passes the end of the output on only when standard error has ended too, so this process
    /// keeps none of the three.
    private func wait(for worker: borrowing OwnedDescriptor) throws(LivemigError) {
        let nothing = try OwnedDescriptor.open("/dev/null", O_RDWR)
        for number in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] {
            _ = dup2(nothing.number, number)
        }
        _ = try Packet.receive(from: worker.number)
    }
}

/// Where a migration's worker waits for the lanes of its attempt.
struct LaneListener: ~Copyable {
    private let socket: OwnedDescriptor

    init(root: HostRoot, migration: MigrationID) throws(LivemigError) {
        socket = try UnixSocket.listen(root.lanes(of: migration), .packets)
    }

    var descriptor: CInt { socket.number }

    /// The default of /proc/sys/fs/pipe-max-size.
    private static let pipeCapacity: CInt = 1 << 20

    /// Takes the next connection.
    func accept() throws(LivemigError) -> LaneConnection {
        let door = try UnixSocket.accept(socket)
        var packet = try Packet.receive(from: door.number)
        guard let input = packet.takeDescriptor(), let output = packet.takeDescriptor() else {
            throw LivemigError(.wire, "a lane came without its connection")
        }
        // sshd passes at most what the pipe holds each time it wakes: 64 KiB unless widened, for
        // which an unprivileged process may ask up to pipe-max-size (pipe(7)).
        _ = clinux_widen_pipe(input.number, Self.pipeCapacity)
        return LaneConnection(
            hello: Array(packet.bytes.dropFirst()), input: input, output: output, door: door)
    }
}

/// A connection to the peer's agent, with the two directions to be used by different threads.
final class LaneConnection: Sendable {
    /// The payload of the peer's introduction; empty where this side introduces itself.
    let hello: [UInt8]
    private let input: OwnedDescriptor
    /// Given up at the end, for a pipe ends only with its last writer.
    private let output: Mutex<OwnedDescriptor?>
    /// The door's process, which waits for the end; closing it ends the SSH session.
    private let door: OwnedDescriptor?

    init(
        hello: [UInt8] = [], input: consuming OwnedDescriptor,
        output: consuming OwnedDescriptor, door: consuming OwnedDescriptor? = nil
    ) {
        self.hello = hello
        self.input = input
        self.output = Mutex(output)
        self.door = door
    }

    /// Takes over a stream socket.
    convenience init(socket: consuming OwnedDescriptor) throws(LivemigError) {
        let output = try socket.duplicate()
        self.init(input: socket, output: output)
    }

    /// A channel for both directions.
    ///
    /// - Parameters:
    ///   - stall: the longest silence accepted.
    ///   - place: the peer, for messages.
    func channel(
        stall: Duration? = nil, at place: String
    ) throws(LivemigError) -> DescriptorChannel {
        let writing = try output.withLock { (output) throws(LivemigError) in
            switch output {
            case .some(let output): try output.duplicate()
            case .none: throw LivemigError(.disconnected, "the connection has ended", at: place)
            }
        }
        return DescriptorChannel(
            reading: try input.duplicate(), writing: writing, stall: stall, at: place)
    }

    /// A channel that only reads.
    ///
    /// - Parameters:
    ///   - stall: the longest silence accepted.
    ///   - place: the peer, for messages.
    func receiver(
        stall: Duration? = nil, at place: String
    ) throws(LivemigError) -> DescriptorChannel {
        DescriptorChannel(reading: try input.duplicate(), writing: nil, stall: stall, at: place)
    }

    /// Polls readable when something has come.
    var descriptor: CInt { input.number }

    /// Ends both directions for everyone who uses the connection.
    func end() {
        _ = shutdown(input.number, CInt(SHUT_RDWR))
        output.withLock { output in
            if case .some(let output) = output { _ = shutdown(output.number, CInt(SHUT_RDWR)) }
            output = nil
        }
    }
}

/// Descriptors that belong to nobody here, such as standard input.
enum DescriptorNumber {
    static func duplicate(_ number: CInt) throws(LivemigError) -> OwnedDescriptor {
        OwnedDescriptor(
            owning: try SystemCall.check("fcntl(F_DUPFD_CLOEXEC)") {
                fcntl(number, F_DUPFD_CLOEXEC, 3)
            })
    }
}
