public import FrameTransport
import Glibc
import LinuxSystem
public import MigrationModel
public import WireProtocol

/// A controller's end of an agent that runs as a child of the test, without SSH in between.
public final class AgentClient {
    private let process: ChildProcess
    private var channel: FrameChannel<DescriptorChannel>

    /// Starts `livemig-agent serve` on a root and greets it.
    ///
    /// - Parameters:
    ///   - root: the host's root.
    ///   - surroundings: where the agent runs, with all that it starts; `nil` for beside the test.
    public init(root: String, in surroundings: (any Surroundings)? = nil) throws(LivemigError) {
        _ = signal(SIGPIPE, SIG_IGN)
        let ends = try UnixSocket.pair(.stream).release()
        let mine = OwnedDescriptor(owning: ends.first)
        let theirs = OwnedDescriptor(owning: ends.second)
        var command = ChildProcess.Command(
            try BuildProducts.program("livemig-agent"), ["serve", "--root", root],
            environment: ["PATH": "/usr/bin:/bin", "SWIFT_BACKTRACE": "enable=no"],
            descriptors: [0: theirs.number, 1: theirs.number, 2: 2])
        surroundings?.enter(&command)
        process = try ChildProcess(command)
        channel = FrameChannel(
            try DescriptorChannel(socket: mine, stall: .seconds(60), at: "agent"), at: "agent")
        try channel.sendBanner(.controller)
        _ = try channel.receiveBanner()
    }

    deinit {
        try? channel.finish()
        process.end()
    }

    /// Sends a message.
    public func send(_ message: some WireMessage) throws(LivemigError) {
        try channel.send(message)
    }

    /// Receives the next frame.
    public func receive() throws(LivemigError) -> Frame {
        guard let frame = try channel.receive() else {
            _ = try Poll.wait([.init(process.handle.number)], timeout: .seconds(5))
            let status = process.poll().map { "ended with status \($0)" } ?? "still runs"
            throw LivemigError(
                .disconnected, "the agent ended the connection", at: "the agent \(status)")
        }
        return frame
    }

    /// Asks, and waits for the answer.
    public func request<Reply: WireMessage>(
        _ message: some WireMessage, for reply: Reply.Type = Reply.self
    ) throws(LivemigError) -> Reply {
        try send(message)
        return try receive().decode(reply)
    }

    /// Ends the connection and waits for the agent to end.
    @discardableResult
    public func close() throws(LivemigError) -> Int32 {
        try channel.finish()
        return process.wait()
    }

    /// Kills the agent.
    public func kill() {
        process.signal(SIGKILL)
        _ = process.wait()
    }
}

/// The programs and libraries of this build, found beside the running test.
public enum BuildProducts {
    /// The path of a program of this build, or of the build that `LIVEMIG_BUILD` names.
    public static func program(_ name: String) throws(LivemigError) -> String {
        if let folder = unsafe getenv("LIVEMIG_BUILD") {
            return unsafe String(cString: folder) + "/" + name
        }
        return try RunningProgram.folder() + "/" + name
    }
}
