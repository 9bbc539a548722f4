import CLinux
import Glibc
public import LinuxSystem
public import MigrationModel
import SystemPackage

/// The library that is loaded into a hypervisor to register guest RAM for write tracking.
public enum PreloadLibrary {
    /// The file's name.
    public static let fileName = "libguestmemory.so"

    /// Looks for the library beside the agent (the build folder), then in `../lib/livemig`.
    ///
    /// - Parameter program: the path of the running agent.
    /// - Throws: `E-PRELOAD` naming both places when it is in neither.
    public static func locate(besides program: String) throws(LivemigError) -> String {
        let folder = program.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        let candidates = ["\(folder)/\(fileName)", "\(folder)/../lib/livemig/\(fileName)"]
        for candidate in candidates where unsafe access(candidate, R_OK) == 0 {
            return candidate
        }
        throw LivemigError(
            .preload, "\(fileName) not found", at: candidates.joined(separator: " or "),
            fix: "install it in ../lib/livemig beside the agent's folder")
    }

    /// The environment that makes a hypervisor load the library.
    ///
    /// - Parameters:
    ///   - library: the library's file.
    ///   - socket: where the library shall listen.
    ///   - memory: the number that the guest's memory file has in the hypervisor.
    ///   - isPrivate: whether other processes of the hypervisor's user shall not look at it.
    public static func environment(
        library: String, socket: String, memory: CInt, isPrivate: Bool = false
    ) -> [String: String] {
        var variables = [
            "LD_PRELOAD": library, GUESTMEMORY_SOCKET: socket,
            GUESTMEMORY_DESCRIPTOR: String(memory), GUESTMEMORY_GATE: String(gateNumber),
        ]
        if isPrivate { variables[GUESTMEMORY_PRIVATE] = "1" }
        return variables
    }

    /// The number in a hypervisor of the pipe whose byte lets it run.
    public static let gateNumber: CInt = 63

    /// Asks the library in a hypervisor to start write tracking.
    ///
    /// The hypervisor may be in the hands of its guest: what it says is compared with what the
    /// kernel says, and with which process it should be.
    ///
    /// - Parameters:
    ///   - socket: where it listens.
    ///   - expected: the hypervisor; `nil` where that is not known, and the listener is it.
    ///   - memory: guest RAM, which must be mapped where the library says.
    ///   - limit: how long the library may take.
    /// - Throws: `E-PRELOAD` with the reason when it cannot, does not answer, or answers for
    ///   another process or other memory.
    public static func startTracking(
        socket path: String, of expected: ProcessIdentity?, memory: borrowing GuestMemoryFile,
        within limit: Duration = answerLimit
    ) throws(LivemigError) -> TrackingRegistration {
        var answer = try ask(.track, socket: path, timeout: limit)
        if answer.isRefusedForPrivilege {
            // It uses the device where it may not call userfaultfd(2), and keeps it then.
            let device = try OwnedDescriptor.open("/dev/userfaultfd", O_RDWR, as: .preload)
            answer = try ask(.track, with: [device.number], socket: path, timeout: limit)
        }
        let reply = try Reply(checking: answer.packet, "write tracking refused", at: path)
        try answer.require(expected, at: path)
        guard reply.process == answer.listener else {
            throw LivemigError(
                .preload, "\(fileName) answers for process \(reply.process)",
                at: "process \(answer.listener)")
        }
        guard
            ProcessMaps.has(
                memory, at: reply.address, length: reply.length, in: answer.listener)
        else {
            throw LivemigError(
                .preload, "guest RAM is not mapped where \(fileName) says", at: path)
        }
        guard let userfault = answer.packet.takeDescriptor() else {
            throw LivemigError(.preload, "\(fileName) gave no userfaultfd", at: path)
        }
        return TrackingRegistration(
            userfault: userfault, process: reply.process, address: reply.address,
            length: reply.length, identity: expected)
    }

    /// Asks the library in a hypervisor for the file that guest RAM is mapped from.
    ///
    /// - Parameters:
    ///   - socket: where it listens.
    ///   - expected: the hypervisor; `nil` where that is not known, and the listener is it.
    /// - Throws: `E-PRELOAD` when there is no answer or no such mapping, `E-PERMISSION` when the
    ///   file is not sealed.
    public static func memory(
        socket path: String, of expected: ProcessIdentity?
    ) throws(LivemigError) -> GuestMemoryFile {
        var answer = try ask(.file, socket: path, timeout: answerLimit)
        try answer.require(expected, at: path)
        let reply = try Reply(checking: answer.packet, "guest RAM not handed out", at: path)
        guard let descriptor = answer.packet.takeDescriptor() else {
            throw LivemigError(.preload, "\(fileName) gave no memory file", at: path)
        }
        let memory = try GuestMemoryFile(adopting: descriptor)
        guard memory.size.bytes == reply.length else {
            throw LivemigError(
                .preload, "the hypervisor maps \(reply.length) bytes of guest RAM",
                at: "the memory file has \(memory.size.bytes)")
        }
        return memory
    }

    /// How long a hypervisor that may be stopped or stuck is waited for.
    public static let answerLimit = Duration.seconds(5)

    /// `GUESTMEMORY_TRACK` and `GUESTMEMORY_FILE` of the library's header.
    private enum Request: UInt8 {
        /// `t`
        case track = 0x74
        /// `m`
        case file = 0x6D
    }

    private static func ask(
        _ request: Request, with descriptors: [CInt] = [], socket path: String, timeout: Duration
    ) throws(LivemigError) -> Answer {
        guard unsafe access(path, F_OK) == 0 || errno != ENOENT else {
            throw LivemigError(
                .preload, "the socket of the hypervisor's library has been removed", at: path,
                fix: "the guest runs on; stop and start it before the next move")
        }
        let socket = try UnixSocket.connect(path, .packets, as: .preload, within: timeout)
        do throws(LivemigError) {
            return try ask(request, with: descriptors, on: socket.number, path, timeout)
        } catch {
            // One that ends the conversation is no peer that has gone.
            throw error.code == .disconnected
                ? LivemigError(.preload, "\(fileName): \(error.what)", at: path) : error
        }
    }

    private static func ask(
        _ request: Request, with descriptors: [CInt], on socket: CInt, _ path: String,
        _ timeout: Duration
    ) throws(LivemigError) -> Answer {
        try Packet.send([request.rawValue], with: descriptors, to: socket, at: path)
        guard try !Poll.wait([.init(socket)], timeout: timeout).isEmpty else {
            throw LivemigError(.preload, "\(fileName) does not answer", at: path)
        }
        return Answer(
            packet: try Packet.receive(from: socket, at: path),
            listener: clinux_peer_process(socket))
    }

    /// What came back, and which process listens (unix(7), `SO_PEERCRED`).
    private struct Answer: ~Copyable {
        var packet: Packet
        let listener: Int32

        /// Whether the library may not do it by itself (userfaultfd(2), EPERM).
        var isRefusedForPrivilege: Bool {
            guard let failure = Reply(packet.bytes)?.failure else { return false }
            return failure == EPERM || failure == EACCES
        }

        /// Insists that the listener is the hypervisor.
        func require(_ expected: ProcessIdentity?, at path: String) throws(LivemigError) {
            // Numbers of another space mean nothing here.
            guard let expected, expected.condition != .unknown else { return }
            guard expected.id == listener, expected.condition != .ended else {
                throw LivemigError(
                    .preload,
                    "process \(listener) listens for the hypervisor, "
                        + "which is process \(expected.id)", at: path)
            }
        }
    }

    /// `struct guestmemory_reply` of the library's header.
    private struct Reply {
        let failure: Int32
        let process: Int32
        let address: UInt64
        let length: UInt64

        /// Decodes an answer that must say success.
        init(
            checking packet: borrowing Packet, _ refusal: String, at path: String
        ) throws(LivemigError) {
            guard let reply = Reply(packet.bytes) else {
                throw LivemigError(.preload, "\(fileName) gave no answer", at: path)
            }
            guard reply.failure == 0 else {
                throw SystemCall.failure(
                    refusal, .init(rawValue: reply.failure), at: path, as: .preload)
            }
            self = reply
        }

        init?(_ bytes: [UInt8]) {
            guard bytes.count == MemoryLayout<guestmemory_reply>.size else { return nil }
            let reply = unsafe bytes.withUnsafeBytes {
                unsafe $0.loadUnaligned(as: guestmemory_reply.self)
            }
            failure = reply.failure
            process = Int32(truncatingIfNeeded: reply.process)
            address = reply.address
            length = reply.length
        }
    }
}
