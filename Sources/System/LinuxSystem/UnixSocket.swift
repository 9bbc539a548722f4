import CLinux
import Glibc
public import MigrationModel
import SystemPackage

/// Unix sockets (unix(7)): streams and sequenced packets, with descriptors passed along.
public enum UnixSocket {
    /// What a socket carries.
    public enum Kind: Sendable {
        /// A stream of bytes.
        case stream
        /// Messages that keep their boundaries and their order.
        case packets

        var type: CInt {
            switch self {
            case .stream: CInt(SOCK_STREAM.rawValue)
            case .packets: CInt(SOCK_SEQPACKET.rawValue)
            }
        }
    }

    /// The longest path of a socket: `sun_path` with its terminating zero takes 108 bytes.
    public static let pathLimit = 107

    /// Creates a listening socket; an old one of the same name is replaced.
    ///
    /// Only the owner may connect: the file gets mode 0600 and belongs in a folder of mode 0700.
    /// - Throws: `E-ROOT` when the path is too long.
    public static func listen(
        _ path: String, _ kind: Kind, backlog: CInt = 64
    ) throws(LivemigError) -> OwnedDescriptor {
        _ = unsafe unlink(path)
        return try listen(at: path, named: path, kind, backlog)
    }

    /// As `listen`, by a name in a folder, whose own path may be of any length.
    /// - Parameters:
    ///   - name: of at most 64 bytes.
    ///   - folder: one of mode 0700.
    public static func listen(
        _ name: String, in folder: String, _ kind: Kind, backlog: CInt = 64
    ) throws(LivemigError) -> OwnedDescriptor {
        let parent = try OwnedDescriptor.open(folder, clinux_open_path | O_DIRECTORY)
        let path = "/proc/self/fd/\(parent.number)/\(name)"
        _ = unsafe unlink(path)
        return try listen(at: path, named: "\(folder)/\(name)", kind, backlog)
    }

    private static func listen(
        at address: String, named path: String, _ kind: Kind, _ backlog: CInt
    ) throws(LivemigError) -> OwnedDescriptor {
        let socket = try create(kind)
        let previous = umask(0o177)
        defer { _ = umask(previous) }
        try unsafe withAddress(address) { (address, length) throws(LivemigError) in
            let number = socket.number
            try SystemCall.check("bind", at: path) { unsafe bind(number, address, length) }
        }
        let number = socket.number
        try SystemCall.check("listen", at: path) { Glibc.listen(number, backlog) }
        return socket
    }

    /// Connects to a listening socket.
    ///
    /// A path may be in a folder that a hypervisor of another user writes to: a symbolic link that
    /// leads elsewhere is refused, and the connection is made to what the path names at this moment,
    /// by its descriptor (proc(5), `/proc/self/fd`), so that nothing can be exchanged in between.
    ///
    /// - Parameters:
    ///   - path: the socket; its length does not matter.
    ///   - kind: what it carries.
    ///   - code: the kind of error to report.
    ///   - limit: how long a listener that takes no more connections is waited for, and how long
    ///     one that reads nothing afterwards (socket(7), `SO_SNDTIMEO`).
    public static func connect(
        _ path: String, _ kind: Kind, as code: ErrorCode = .io, within limit: Duration? = nil
    ) throws(LivemigError) -> OwnedDescriptor {
        let file: OwnedDescriptor
        do throws(LivemigError) {
            file = try OwnedDescriptor.open(path, clinux_open_path, as: code)
        } catch {
            throw path.utf8.count > pathLimit ? tooLong(path) : error
        }
        let socket = try create(kind)
        if let limit { try bound(socket, limit) }
        try connect(socket, to: "/proc/self/fd/\(file.number)", named: path, code)
        return socket
    }

    private static func connect(
        _ socket: borrowing OwnedDescriptor, to address: String, named path: String,
        _ code: ErrorCode
    ) throws(LivemigError) {
        let number = socket.number
        try unsafe withAddress(address) { (address, length) throws(LivemigError) in
            try SystemCall.check("connect", at: path, as: code) {
                unsafe Glibc.connect(number, address, length)
            }
        }
    }

    private static func bound(
        _ socket: borrowing OwnedDescriptor, _ limit: Duration
    ) throws(LivemigError) {
        var time = timeval()
        time.tv_sec = Int(clamping: limit.components.seconds)
        time.tv_usec = Int(clamping: limit.components.attoseconds / 1_000_000_000_000)
        let (number, size) = (socket.number, socklen_t(MemoryLayout<timeval>.size))
        try SystemCall.check("setsockopt(SO_SNDTIMEO)") {
            unsafe setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &time, size)
        }
    }

    /// Takes the next connection.
    /// - Returns: `nil` for one of another user than this process's or root, which is closed (unix(7),
    ///   `SO_PEERCRED`); whoever waits goes on waiting.
    public static func accept(_ listener: borrowing OwnedDescriptor) throws(LivemigError)
        -> OwnedDescriptor?
    {
        let listening = listener.number
        let socket = OwnedDescriptor(
            owning: try SystemCall.checkNegated("accept4") { clinux_accept(listening) })
        let number = socket.number
        var user: UInt32 = .max
        try SystemCall.checkNegated("getsockopt(SO_PEERCRED)") {
            unsafe clinux_peer_user(number, &user)
        }
        guard user == 0 || user == geteuid() else { return nil }
        return socket
    }

    /// Two sockets connected to each other.
    public static func pair(_ kind: Kind) throws(LivemigError) -> DescriptorPair {
        var ends: [CInt] = [-1, -1]
        try SystemCall.check("socketpair") {
            unsafe socketpair(AF_UNIX, kind.type | CInt(SOCK_CLOEXEC.rawValue), 0, &ends)
        }
        return DescriptorPair(
            first: OwnedDescriptor(owning: ends[0]), second: OwnedDescriptor(owning: ends[1]))
    }

    private static func create(_ kind: Kind) throws(LivemigError) -> OwnedDescriptor {
        OwnedDescriptor(
            owning: try SystemCall.check("socket") {
                socket(AF_UNIX, kind.type | CInt(SOCK_CLOEXEC.rawValue), 0)
            })
    }

    private static func tooLong(_ path: String) -> LivemigError {
        LivemigError(
            .root, "socket path of \(path.utf8.count) bytes, the system allows \(pathLimit)",
            at: path, fix: "choose a root folder with a shorter path")
    }

    private static func withAddress(
        _ path: String,
        _ body: (UnsafePointer<sockaddr>, socklen_t) throws(LivemigError) -> Void
    ) throws(LivemigError) {
        guard path.utf8.count <= pathLimit else { throw tooLong(path) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
            unsafe target.copyBytes(from: path.utf8)
        }
        let length = MemoryLayout<sockaddr_un>.size
        try unsafe withUnsafePointer(to: &address) { (pointer) throws(LivemigError) in
            try unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                (pointer) throws(LivemigError) in
                try unsafe body(pointer, socklen_t(length))
            }
        }
    }
}

/// One message of a packet socket: bytes, and descriptors that now belong to the receiver.
public struct Packet: ~Copyable {
    /// The message; empty when the peer has gone.
    public var bytes: [UInt8]
    /// The descriptors that came along, in order.
    private var descriptors: [CInt]

    /// The largest message that is received.
    public static let sizeLimit = 64 << 10

    init(bytes: [UInt8], descriptors: [CInt]) {
        self.bytes = bytes
        self.descriptors = descriptors
    }

    deinit { for descriptor in descriptors { _ = close(descriptor) } }

    /// Takes the next descriptor out; `nil` when there is none left.
    public mutating func takeDescriptor() -> OwnedDescriptor? {
        descriptors.isEmpty ? nil : OwnedDescriptor(owning: descriptors.removeFirst())
    }

    /// Sends a message with copies of descriptors.
    /// - Throws: `E-DISCONNECTED` when the peer has gone, `E-INTERNAL` for more descriptors than
    ///   a message carries.
    public static func send(
        _ bytes: [UInt8], with descriptors: [CInt] = [], to socket: CInt, at place: String = ""
    ) throws(LivemigError) {
        guard descriptors.count <= clinux_descriptors_max else {
            throw LivemigError(.internal, "\(descriptors.count) descriptors in one message")
        }
        let sent = try SystemCall.checkNegated("sendmsg", at: place, as: .disconnected) {
            unsafe clinux_send(socket, bytes, bytes.count, descriptors, descriptors.count)
        }
        guard Int(sent) == bytes.count else {
            throw LivemigError(.io, "sendmsg: \(sent) of \(bytes.count) bytes sent", at: place)
        }
    }

    /// Receives the next message; one without bytes means that the peer has gone.
    /// - Throws: `E-IO` for a message that is too long.
    public static func receive(
        from socket: CInt, at place: String = ""
    ) throws(LivemigError) -> Packet {
        var bytes = [UInt8](repeating: 0, count: sizeLimit)
        var descriptors = [CInt](repeating: -1, count: Int(clinux_descriptors_max))
        var count = 0
        let received = unsafe clinux_receive(
            socket, &bytes, bytes.count, &descriptors, &count)
        guard received >= 0 else {
            let reason = Errno(rawValue: -received)
            let code: ErrorCode = reason == .messageTooLong ? .io : .disconnected
            throw SystemCall.failure("recvmsg", reason, at: place, as: code)
        }
        return Packet(
            bytes: Array(bytes.prefix(Int(received))), descriptors: Array(descriptors.prefix(count))
        )
    }
}
