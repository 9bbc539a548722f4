import CLinux
import Glibc
import LinuxSystem
import MigrationModel
import Synchronization

/// Where a migration's worker waits for the lanes of its attempt.
struct LaneListener: ~Copyable {
    private let door: PrivateDoor

    init(root: HostRoot, migration: MigrationID) throws(LivemigError) {
        door = try PrivateDoor(PrivateDoor.lanes(of: migration), in: root)
    }

    var descriptor: CInt { door.descriptor }

    /// How long a process that has connected may take to say what it brings.
    private static let introductionLimit = Duration.seconds(2)

    /// The default of /proc/sys/fs/pipe-max-size.
    private static let pipeCapacity: CInt = 1 << 20

    /// Takes the next connection; `nil` for one that brings no lane, which is closed.
    func accept() throws(LivemigError) -> LaneConnection? {
        guard let door = try self.door.accept(),
            try !Poll.wait([.init(door.number)], timeout: Self.introductionLimit).isEmpty,
            var packet = try? Packet.receive(from: door.number),
            let input = packet.takeDescriptor(), let output = packet.takeDescriptor()
        else { return nil }
        // sshd passes at most what the pipe holds each time it wakes: 64 KiB unless widened, for
        // which an unprivileged process may ask up to pipe-max-size (pipe(7)).
        _ = clinux_widen_pipe(input.number, Self.pipeCapacity)
        let parts = packet.bytes.split(
            separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        return LaneConnection(
            hello: Array(parts[1]), peer: LanePeer(line: parts[0]), input: input, output: output,
            door: door)
    }
}

/// A connection to the peer's agent, with the two directions to be used by different threads.
final class LaneConnection: Sendable {
    /// The payload of the peer's introduction; empty where this side introduces itself.
    let hello: [UInt8]
    /// Whose it is; `nil` for one that the controller relays.
    let peer: LanePeer?
    private let input: OwnedDescriptor
    /// Given up at the end, for a pipe ends only with its last writer.
    private let output: Mutex<OwnedDescriptor?>
    /// The door's process, which waits for the end; closing it ends the SSH session.
    private let door: Mutex<OwnedDescriptor?>

    init(
        hello: [UInt8] = [], peer: LanePeer? = nil, input: consuming OwnedDescriptor,
        output: consuming OwnedDescriptor, door: consuming OwnedDescriptor? = nil
    ) {
        self.hello = hello
        self.peer = peer
        self.input = input
        self.output = Mutex(output)
        self.door = Mutex(door)
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
    ///   - silence: whose silence counts together with this connection's.
    ///   - place: the peer, for messages.
    func channel(
        stall: Duration? = nil, silence: SharedSilence? = nil, at place: String
    ) throws(LivemigError) -> DescriptorChannel {
        let writing = try output.withLock { (output) throws(LivemigError) in
            switch output {
            case .some(let output): try output.duplicate()
            case .none: throw LivemigError(.disconnected, "the connection has ended", at: place)
            }
        }
        return DescriptorChannel(
            reading: try input.duplicate(), writing: writing, stall: stall, silence: silence,
            at: place)
    }

    /// A channel that only reads.
    ///
    /// - Parameters:
    ///   - stall: the longest silence accepted.
    ///   - silence: whose silence counts together with this connection's.
    ///   - place: the peer, for messages.
    func receiver(
        stall: Duration? = nil, silence: SharedSilence? = nil, at place: String
    ) throws(LivemigError) -> DescriptorChannel {
        DescriptorChannel(
            reading: try input.duplicate(), writing: nil, stall: stall, silence: silence, at: place)
    }

    /// Polls readable when something has come.
    var descriptor: CInt { input.number }

    /// Ends both directions for everyone who uses the connection.
    ///
    /// The pipes of an SSH session end when its door does, also where nothing comes from the peer.
    func end() {
        door.withLock { $0 = nil }
        _ = shutdown(input.number, CInt(SHUT_RDWR))
        output.withLock { output in
            if case .some(let output) = output { _ = shutdown(output.number, CInt(SHUT_RDWR)) }
            output = nil
        }
    }
}
