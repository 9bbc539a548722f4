import FrameTransport
import Glibc
import Guardian
import HostPolicies
import LinuxSystem
public import MigrationModel
import WireProtocol

/// The process that sshd starts for a lane: hands its connection to the migration's worker.
///
/// It reads no more than the greeting and the first frame, so that everything after them reaches
/// the worker, and ends when the worker is done with the lane, which ends the SSH session.
public struct LaneDoor: Sendable {
    private let root: HostRoot
    private let arrival: IPAddress?
    private let peer: LanePeer?

    /// A door to any migration of a host.
    /// - Parameters:
    ///   - root: the host.
    ///   - arrival: this host's address that the peer has connected to, where it is known.
    ///   - peer: who comes; `nil` for the controller, which relays.
    public init(root: HostRoot, arrival: IPAddress?, peer: LanePeer? = nil) {
        self.root = root
        self.arrival = arrival
        self.peer = peer
    }

    /// Tells a peer that its key works here, and what it is known as.
    public func answerKnock() throws(LivemigError) {
        var channel = try greet()
        try channel.send(
            GateOpened(
                names: peer?.names ?? [], key: peer?.key ?? "", root: root.path,
                host: root.identity ?? "", address: peer?.address ?? ""))
    }

    /// Serves a peer's agent at standard input and output, until the lane is done.
    public func serve() throws(LivemigError) {
        guard let worker = try admit() else { return }
        try wait(for: worker)
    }

    /// Greets the peer and finds the worker it wants; the greeting's descriptors end with this
    /// call.
    private func admit() throws(LivemigError) -> OwnedDescriptor? {
        var channel = try greet()
        guard let frame = try channel.receive() else { return nil }
        do throws(LivemigError) {
            let policy = try root.policy.load()
            try peer?.require(by: policy, at: root.path)
            try policy.admit(address: arrival, at: root.path)
            if frame.type == .laneProbe {
                try LaneMeter.serve(
                    try frame.decode(), as: root.identity ?? "", on: &channel)
                return nil
            }
            let hello = try frame.decode(LaneHello.self)
            return try handOver(hello.payload, to: hello.attempt.migration)
        } catch {
            try channel.send(FailureMessage(error))
            throw error
        }
    }

    /// How long a peer may be silent: a source waits for its other lanes before it introduces one.
    private static let patience = LaneMuster.patience + .seconds(5)

    private func greet() throws(LivemigError) -> FrameChannel<DescriptorChannel> {
        var channel = FrameChannel(
            DescriptorChannel(
                reading: try DescriptorNumber.duplicate(STDIN_FILENO),
                writing: try DescriptorNumber.duplicate(STDOUT_FILENO),
                stall: Self.patience, at: "peer"), at: "peer")
        try channel.sendBanner(.lane)
        _ = try channel.receiveBanner()
        return channel
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
        // The line ends with a line feed in any case: a packet without bytes would read as the end.
        try Packet.send(
            (peer?.line ?? [UInt8(ascii: "\n")]) + hello, with: [STDIN_FILENO, STDOUT_FILENO],
            to: worker.number)
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

/// Descriptors that belong to nobody here, such as standard input.
enum DescriptorNumber {
    static func duplicate(_ number: CInt) throws(LivemigError) -> OwnedDescriptor {
        OwnedDescriptor(
            owning: try SystemCall.check("fcntl(F_DUPFD_CLOEXEC)") {
                fcntl(number, F_DUPFD_CLOEXEC, 3)
            })
    }
}
