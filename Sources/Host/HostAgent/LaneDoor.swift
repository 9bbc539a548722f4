import FrameTransport
import Glibc
import Guardian
import LinuxSystem
public import MigrationModel
import WireProtocol

/// The process that sshd starts for a lane: hands its connection to the migration's worker.
///
/// It reads no more than the greeting and the first frame, so that everything after them reaches the
/// worker, and ends when the worker is done with the lane, which ends the SSH session.
public struct LaneDoor: Sendable {
    /// A door to any migration of this host.
    public init() {}

    /// Serves a peer's agent at standard input and output, until the lane is done.
    public func serve() throws(LivemigError) {
        var channel = FrameChannel(
            DescriptorChannel(
                reading: try DescriptorNumber.duplicate(STDIN_FILENO),
                writing: try DescriptorNumber.duplicate(STDOUT_FILENO),
                stall: .seconds(10), at: "peer"), at: "peer")
        try channel.sendBanner(.lane)
        _ = try channel.receiveBanner()
        guard let frame = try channel.receive() else { return }
        do throws(LivemigError) {
            let hello = try frame.decode(LaneHello.self)
            try handOver(hello.payload, to: hello.attempt.migration)
        } catch {
            try channel.send(FailureMessage(error))
            throw error
        }
    }

    /// Gives a connection that the controller relays to a worker of this host.
    public func attach(to migration: MigrationID) throws(LivemigError) {
        try handOver([], to: migration)
    }

    private func handOver(_ hello: [UInt8], to migration: MigrationID) throws(LivemigError) {
        let worker: OwnedDescriptor
        do throws(LivemigError) {
            worker = try UnixSocket.connect(
                HostRoot.lanes(of: migration), .packets, as: .migrationID)
        } catch {
            throw LivemigError(.migrationID, "no migration \(migration) is under way on this host")
        }
        // A packet without bytes would read as the end.
        try Packet.send(
            [UInt8(ascii: "L")] + hello, with: [STDIN_FILENO, STDOUT_FILENO], to: worker.number)
        for number in [STDIN_FILENO, STDOUT_FILENO] { _ = close(number) }
        _ = try Packet.receive(from: worker.number)
    }
}

/// Where a migration's worker waits for the lanes of its attempt.
struct LaneListener: ~Copyable {
    private let socket: OwnedDescriptor

    init(migration: MigrationID) throws(LivemigError) {
        socket = try UnixSocket.listen(HostRoot.lanes(of: migration), .packets)
    }

    var descriptor: CInt { socket.number }

    /// Takes the next connection.
    func accept() throws(LivemigError) -> LaneConnection {
        let door = try UnixSocket.accept(socket)
        var packet = try Packet.receive(from: door.number)
        guard let input = packet.takeDescriptor(), let output = packet.takeDescriptor() else {
            throw LivemigError(.wire, "a lane came without its connection")
        }
        return LaneConnection(
            hello: Array(packet.bytes.dropFirst()), input: input, output: output, door: door)
    }
}

/// A connection to the peer's agent, with the two directions to be used by different threads.
final class LaneConnection: Sendable {
    /// The payload of the peer's introduction; empty where this side introduces itself.
    let hello: [UInt8]
    private let input: OwnedDescriptor
    private let output: OwnedDescriptor
    /// The door's process, which waits for the end; closing it ends the SSH session.
    private let door: OwnedDescriptor?

    init(
        hello: [UInt8] = [], input: consuming OwnedDescriptor,
        output: consuming OwnedDescriptor, door: consuming OwnedDescriptor? = nil
    ) {
        self.hello = hello
        self.input = input
        self.output = output
        self.door = door
    }

    /// Takes over a stream socket.
    convenience init(socket: consuming OwnedDescriptor) throws(LivemigError) {
        let output = try socket.duplicate()
        self.init(input: socket, output: output)
    }

    /// A channel over the connection, which stays open as long as the connection itself.
    ///
    /// - Parameters:
    ///   - stall: the longest silence accepted.
    ///   - place: the peer, for messages.
    func channel(stall: Duration? = nil, at place: String) throws(LivemigError) -> DescriptorChannel
    {
        DescriptorChannel(
            reading: try input.duplicate(), writing: try output.duplicate(), stall: stall,
            at: place)
    }

    /// Polls readable when something has come.
    var descriptor: CInt { input.number }

    /// Ends both directions for everyone who uses the connection.
    func end() {
        _ = shutdown(input.number, CInt(SHUT_RDWR))
        _ = shutdown(output.number, CInt(SHUT_RDWR))
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
