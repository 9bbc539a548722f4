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
        let socket = try UnixSocket.connect(path, .packets, as: .preload)
        // A hypervisor without the privilege for userfaultfd(2) uses the device opened here.
        let device = try? OwnedDescriptor.open("/dev/userfaultfd", O_RDWR)
        try Packet.send(
            [UInt8(ascii: "t")], with: numbers(of: device), to: socket.number, at: path)
        var packet = try Packet.receive(from: socket.number, at: path)
        guard let reply = Reply(packet.bytes) else {
            throw LivemigError(.preload, "\(fileName) gave no answer", at: path)
        }
        guard reply.failure == 0, let userfault = packet.takeDescriptor() else {
            throw SystemCall.failure(
                "write tracking refused", .init(rawValue: reply.failure), at: path, as: .preload)
        }
        return TrackingRegistration(
            userfault: userfault, process: reply.process, address: reply.address,
            length: reply.length)
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
