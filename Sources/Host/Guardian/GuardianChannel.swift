public import LinuxSystem
public import MigrationModel
public import WireProtocol

/// Messages between a guardian and the agents of its host: packets of a type and a payload, with
/// descriptors beside them.
public enum GuardianChannel {
    /// Sends a message.
    public static func send(
        _ message: some WireMessage, with descriptors: [CInt] = [], to socket: CInt
    ) throws(LivemigError) {
        var writer = WireWriter()
        writer.integer(type(of: message).type.rawValue)
        message.encode(into: &writer)
        try Packet.send(writer.bytes, with: descriptors, to: socket, at: "guardian")
    }

    /// Receives the next message.
    public static func receive(from socket: CInt) throws(LivemigError) -> GuardianPacket {
        GuardianPacket(packet: try Packet.receive(from: socket, at: "guardian"))
    }
}

/// A message that has arrived, not decoded yet.
public struct GuardianPacket: ~Copyable {
    private var packet: Packet

    init(packet: consuming Packet) { self.packet = packet }

    /// Whether the other side has gone.
    public var isEnd: Bool { packet.bytes.isEmpty }

    /// What the message is; `nil` for a number that does not exist.
    public var type: FrameType? {
        guard packet.bytes.count >= 2 else { return nil }
        return FrameType(rawValue: UInt16(packet.bytes[0]) | UInt16(packet.bytes[1]) << 8)
    }

    /// Decodes the message as the one that is expected.
    /// - Throws: the other side's error when it sent one, `E-WIRE` for anything else.
    public func decode<Message: WireMessage>(
        _: Message.Type = Message.self
    ) throws(LivemigError) -> Message {
        guard !isEnd else {
            throw LivemigError(.disconnected, "the guardian has ended", at: "guardian")
        }
        do {
            let payload = unsafe packet.bytes.span.bytes.extracting(min(2, packet.bytes.count)...)
            if type == .failure, Message.type != .failure {
                throw try FailureMessage(payload: payload).error
            }
            guard type == Message.type else {
                throw WireError.type(type?.rawValue ?? 0)
            }
            return try Message(payload: payload)
        } catch let error as LivemigError {
            throw error
        } catch {
            throw LivemigError(.wire, "\(error)", at: "guardian")
        }
    }

    /// Takes the next descriptor that came along.
    public mutating func takeDescriptor() -> OwnedDescriptor? { packet.takeDescriptor() }
}

/// An agent's connection to a guardian.
public struct GuardianClient: ~Copyable, Sendable {
    private let socket: OwnedDescriptor

    /// Connects to the guardian of a VM.
    /// - Throws: `E-NOTRUNNING` when there is none, `E-VERSION` for one of another build.
    public init(connecting path: String) throws(LivemigError) {
        let socket: OwnedDescriptor
        do throws(LivemigError) {
            socket = try UnixSocket.connect(path, .packets, as: .notRunning)
        } catch {
            guard error.code == .notRunning else { throw error }
            let vm = Self.machine(of: path)
            throw LivemigError(
                .notRunning, "VM \(vm) does not run here, or its guardian has ended",
                fix: "livemig status \(vm) says which; livemig vm start, or recover")
        }
        try Self.greet(socket, path)
        self.socket = socket
    }

    /// The VM whose folder has a guardian's socket.
    private static func machine(of path: String) -> String {
        path.split(separator: "/").dropLast().last.map(String.init) ?? path
    }

    /// Insists that a guardian speaks as this program does.
    ///
    /// One that does not understand the
    /// question, or is not understood, is of another build, too.
    private static func greet(
        _ socket: borrowing OwnedDescriptor, _ path: String
    ) throws(LivemigError) {
        try GuardianChannel.send(
            GuardianHello(version: GuardianProtocol.current, program: Banner.currentProgram),
            to: socket.number)
        let packet = try GuardianChannel.receive(from: socket.number)
        // It has ended, or its host has no room for one more client.
        guard !packet.isEnd else {
            throw LivemigError(.notRunning, "the guardian has ended", at: path)
        }
        let welcome = try? packet.decode(GuardianWelcome.self)
        guard welcome?.version != GuardianProtocol.current else { return }
        let vm = machine(of: path)
        let build = welcome.map { "livemig \($0.program), protocol \($0.version)" }
        throw LivemigError(
            .version,
            "the guardian of VM \(vm) is of another build "
                + "(\(build ?? "one before guardians had versions")) than this host's agent "
                + "(livemig \(Banner.currentProgram), protocol \(GuardianProtocol.current))",
            fix: "livemig recover \(vm) gives the running guest a guardian of this build")
    }

    /// Goes on with a connection that exists.
    public init(adopting socket: consuming OwnedDescriptor) { self.socket = socket }

    /// Polls readable when the guardian has ended.
    public var descriptor: CInt { socket.number }

    /// Asks, and waits for the answer.
    ///
    /// - Parameters:
    ///   - message: the request.
    ///   - descriptors: descriptors to send along.
    ///   - reply: the message expected in answer.
    /// - Throws: the guardian's error.
    public borrowing func request<Reply: WireMessage>(
        _ message: some WireMessage, with descriptors: [CInt] = [], for reply: Reply.Type
    ) throws(LivemigError) -> Reply {
        try GuardianChannel.send(message, with: descriptors, to: socket.number)
        return try GuardianChannel.receive(from: socket.number).decode(reply)
    }

    /// Asks for something that has no answer but that it is done.
    public borrowing func perform(
        _ message: some WireMessage, with descriptors: [CInt] = []
    ) throws(LivemigError) {
        _ = try request(message, with: descriptors, for: DoneMessage.self)
    }

    /// Receives a message that was not asked for, as a guardian sends while it starts.
    public borrowing func receive() throws(LivemigError) -> GuardianPacket {
        try GuardianChannel.receive(from: socket.number)
    }

    /// Asks for the guest and its RAM.
    /// - Throws: `E-VMSTATE` when the guardian has no guest yet.
    public borrowing func memory() throws(LivemigError) -> OwnedDescriptor {
        try GuardianChannel.send(GuardianDescribe(wantsMemory: true), to: socket.number)
        var packet = try GuardianChannel.receive(from: socket.number)
        _ = try packet.decode(GuardianState.self)
        guard let descriptor = packet.takeDescriptor() else {
            throw LivemigError(.vmState, "the guardian has no guest memory", at: "guardian")
        }
        return descriptor
    }
}
