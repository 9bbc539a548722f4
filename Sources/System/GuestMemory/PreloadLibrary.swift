import CLinux
import Glibc
import LinuxSystem
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
    public static func environment(
        library: String, socket: String, memory: CInt
    ) -> [String: String] {
        [
            "LD_PRELOAD": library, GUESTMEMORY_SOCKET: socket,
            GUESTMEMORY_DESCRIPTOR: String(memory),
        ]
    }

    /// Asks the library in a hypervisor to start write tracking.
    ///
    /// - Parameter socket: where it listens.
    /// - Throws: `E-PRELOAD` with the reason when it cannot.
    public static func startTracking(socket path: String) throws(LivemigError)
        -> TrackingRegistration
    {
        // A hypervisor without the privilege for userfaultfd(2) uses the device opened here.
        let device = try? OwnedDescriptor.open("/dev/userfaultfd", O_RDWR)
        var packet = try ask(
            .track, with: numbers(of: device), socket: path, timeout: nil)
        let reply = try Reply(checking: packet, "write tracking refused", at: path)
        guard let userfault = packet.takeDescriptor() else {
            throw LivemigError(.preload, "\(fileName) gave no userfaultfd", at: path)
        }
        return TrackingRegistration(
            userfault: userfault, process: reply.process, address: reply.address,
            length: reply.length)
    }

    /// Asks the library in a hypervisor for the file that guest RAM is mapped from.
    ///
    /// - Parameter socket: where it listens.
    /// - Throws: `E-PRELOAD` when there is no answer or no such mapping, `E-PERMISSION` when the
    ///   file is not sealed.
    public static func memory(socket path: String) throws(LivemigError) -> GuestMemoryFile {
        var packet = try ask(.file, socket: path, timeout: answerLimit)
        let reply = try Reply(checking: packet, "guest RAM not handed out", at: path)
        guard let descriptor = packet.takeDescriptor() else {
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
    private static let answerLimit = Duration.seconds(5)

    /// `GUESTMEMORY_TRACK` and `GUESTMEMORY_FILE` of the library's header.
    private enum Request: UInt8 {
        /// `t`
        case track = 0x74
        /// `m`
        case file = 0x6D
    }

    private static func ask(
        _ request: Request, with descriptors: [CInt] = [], socket path: String, timeout: Duration?
    ) throws(LivemigError) -> Packet {
        let socket = try UnixSocket.connect(path, .packets, as: .preload)
        try Packet.send(
            [request.rawValue], with: descriptors, to: socket.number, at: path)
        guard try !Poll.wait([.init(socket.number)], timeout: timeout).isEmpty else {
            throw LivemigError(.preload, "\(fileName) does not answer", at: path)
        }
        return try Packet.receive(from: socket.number, at: path)
    }

    private static func numbers(of device: borrowing OwnedDescriptor?) -> [CInt] {
        switch device {
        case .some(let device): [device.number]
        case .none: []
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
