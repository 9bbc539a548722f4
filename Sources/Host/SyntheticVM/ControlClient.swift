import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel

/// A driver's end of a reference guest's control socket.
///
/// Used by one thread.
struct ControlClient: ~Copyable {
    private let socket: OwnedDescriptor
    private let path: String
    private var lastNumber: UInt64 = 0

    init(_ path: String) throws(LivemigError) {
        socket = try UnixSocket.connect(path, .packets, as: .qmp)
        self.path = path
    }

    /// Whether a process listens at the other end.
    func isPeer(_ process: HypervisorProcess) -> Bool { process.isPeer(of: socket.number) }

    /// Sends a request and waits for its reply.
    ///
    /// - Parameters:
    ///   - request: what to do.
    ///   - descriptor: what `save` and `load` work on.
    ///   - deadline: when to stop waiting; a reply that comes later is dropped.
    /// - Returns: the text of the reply.
    /// - Throws: what the guest answered; `E-TIMEOUT` without an answer in time; `E-DISCONNECTED`
    ///   when the guest has gone.
    mutating func call(
        _ request: ControlRequest, descriptor: CInt? = nil, deadline: MonotonicTime
    ) throws(LivemigError) -> String {
        lastNumber += 1
        try Packet.send(
            request.encoded(number: lastNumber), with: descriptor.map { [$0] } ?? [],
            to: socket.number, at: path)
        while true {
            let left = max(.zero, deadline - .now)
            guard try !Poll.wait([.init(socket.number)], timeout: left).isEmpty else {
                throw LivemigError(.timeout, "no answer to \(request.name) in time", at: path)
            }
            let packet = try Packet.receive(from: socket.number, at: path)
            guard !packet.bytes.isEmpty else {
                throw LivemigError(
                    .disconnected, "the guest went away during \(request.name)", at: path)
            }
            let reply = try ControlReply(parsing: packet.bytes)
            // A lower number answers a request that was given up.
            if reply.number == lastNumber { return try reply.result.get() }
        }
    }
}
