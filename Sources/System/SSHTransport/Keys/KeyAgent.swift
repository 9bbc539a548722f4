import Glibc
import LinuxSystem
import MigrationModel
import SystemPackage

/// A conversation with an SSH agent (draft-ietf-sshm-ssh-agent).
///
/// libssh offers every key that an agent lists, in the agent's order. This reads the list first, so
/// that a session can be shown the few keys it should offer; see `AgentFilter`.
struct KeyAgent: ~Copyable {
    private let socket: OwnedDescriptor

    /// The numbers of the messages used.
    enum Message {
        static let failure: UInt8 = 5
        static let list: UInt8 = 11
        static let listAnswer: UInt8 = 12
        static let sign: UInt8 = 13
    }

    /// The longest message taken, as in OpenSSH's agent.
    static let messageLimit = 256 << 10
    /// How many keys of an agent are looked at.
    static let keyLimit = 2048

    /// Connects.
    ///
    /// The path is often a link, which terminal multiplexers keep pointed at the current agent.
    init(at path: String) throws(LivemigError) {
        guard let real = unsafe realpath(path, nil) else {
            throw SystemCall.failure("connect", Errno(rawValue: errno), at: path)
        }
        defer { unsafe free(real) }
        socket = try UnixSocket.connect(unsafe String(cString: real), .stream)
    }

    /// The public keys and certificates it holds.
    func keys(until deadline: MonotonicTime) throws(LivemigError) -> [PublicKeyBlob] {
        let answer = try ask([Message.list], until: deadline)
        var reader = SSHStringReader(Array(answer.dropFirst()))
        guard answer.first == Message.listAnswer, let count = reader.number(),
            count <= Self.keyLimit
        else { throw LivemigError(.key, "the SSH agent lists no keys") }
        var keys: [PublicKeyBlob] = []
        for _ in 0..<count {
            guard let bytes = reader.next(), reader.next() != nil else {
                throw LivemigError(.key, "the SSH agent's list of keys is cut off")
            }
            if let key = PublicKeyBlob(bytes) { keys.append(key) }
        }
        return keys
    }

    /// Sends a message and takes the answer.
    func ask(_ message: [UInt8], until deadline: MonotonicTime) throws(LivemigError) -> [UInt8] {
        try AgentMessage.write(message, to: socket.number)
        guard let answer = try AgentMessage.read(from: socket.number, until: deadline) else {
            throw LivemigError(.key, "the SSH agent closed the connection")
        }
        return answer
    }
}

/// Messages with their length before them.
enum AgentMessage {
    static func write(_ message: [UInt8], to socket: CInt) throws(LivemigError) {
        try DescriptorIO.write(SSHStringReader.encode(message), to: socket, stall: .seconds(5))
    }

    /// The next message; `nil` at the end of the stream.
    /// - Parameter deadline: `nil` waits without limit.
    static func read(
        from socket: CInt, until deadline: MonotonicTime?
    ) throws(LivemigError) -> [UInt8]? {
        guard let head = try bytes(4, from: socket, until: deadline) else { return nil }
        let count = head.reduce(0) { $0 << 8 | Int($1) }
        guard (1...KeyAgent.messageLimit).contains(count) else {
            throw LivemigError(.key, "a message of \(count) bytes from the SSH agent")
        }
        return try bytes(count, from: socket, until: deadline)
    }

    private static func bytes(
        _ count: Int, from socket: CInt, until deadline: MonotonicTime?
    ) throws(LivemigError) -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let left = deadline.map { max(.zero, $0 - .now) }
            guard try !Poll.wait([.init(socket)], timeout: left).isEmpty else {
                throw LivemigError(.key, "the SSH agent does not answer")
            }
            let more = try DescriptorIO.readAvailable(upTo: count - bytes.count, from: socket)
            if more.isEmpty { return nil }
            bytes += more
        }
        return bytes
    }
}

/// Stands between libssh and an SSH agent: lists only the key that is to be offered, and has a
/// certificate signed for by the key that it certifies.
///
/// libssh talks to agents with blocking calls; a thread of the filter's own answers them.
final class AgentFilter: Sendable {
    /// A key to offer, or a certificate of a key that the agent holds.
    struct Offer: Hashable, Sendable {
        /// What the server is shown.
        let shown: PublicKeyBlob
        /// What the agent signs with.
        let signing: PublicKeyBlob
    }

    private let offered = Monitor<Offer?>(nil)

    /// Starts the thread; it ends when `takeEnd`'s descriptor is closed.
    ///
    /// - Parameters:
    ///   - agent: the real agent.
    ///   - patience: how long it may take to sign: it may have to ask its user.
    init(_ agent: consuming KeyAgent, patience: Duration, end: consuming OwnedDescriptor) {
        let end = end.release()
        let agent = AgentBox(agent)
        _ = WorkerThread("ssh-agent") { [offered] in
            let end = OwnedDescriptor(owning: end)
            while let request = try AgentMessage.read(from: end.number, until: nil) {
                let offer = offered.withLock { $0 }
                let answer = agent.answer(request, offer, until: .now + patience)
                try AgentMessage.write(answer, to: end.number)
            }
        }
    }

    /// Says which key is listed from now on.
    func offer(_ offer: Offer) { offered.withLock { $0 = offer } }
}

/// The agent's owner, on the filter's thread once that has started.
private final class AgentBox: Sendable {
    private let agent: KeyAgent

    init(_ agent: consuming KeyAgent) { self.agent = agent }

    func answer(
        _ request: [UInt8], _ offer: AgentFilter.Offer?, until deadline: MonotonicTime
    ) -> [UInt8] {
        guard let offer else { return [KeyAgent.Message.failure] }
        switch request.first {
        case KeyAgent.Message.list:
            return [KeyAgent.Message.listAnswer, 0, 0, 0, 1]
                + SSHStringReader.encode(offer.shown.bytes)
                + SSHStringReader.encode(Array("key".utf8))
        case KeyAgent.Message.sign:
            var reader = SSHStringReader(Array(request.dropFirst()))
            guard reader.next() == offer.shown.bytes else { break }
            let message =
                [KeyAgent.Message.sign] + SSHStringReader.encode(offer.signing.bytes) + reader.rest
            if let answer = try? agent.ask(message, until: deadline) { return answer }
        default: break
        }
        return [KeyAgent.Message.failure]
    }
}
