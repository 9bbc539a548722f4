import CLinux
import Glibc
public import LinuxSystem

/// The process of a hypervisor: one that this process started, or one whose guardian has died.
///
/// Dropping it does not end the process. Used by one thread.
public final class HypervisorProcess {
    /// How a process has ended.
    public enum Ending: Hashable, Sendable {
        /// Its exit code, or 128 + signal number.
        case status(Int32)
        /// Only a parent learns the status (wait(2)).
        case unknown
    }

    /// The process id.
    public let id: Int32
    private let descriptor: OwnedDescriptor
    private let isChild: Bool
    private var ending: Ending?

    /// How long a process that this one did not start may take to end once it is killed.
    private static let endLimit = Duration.seconds(10)

    /// Goes on with a child.
    public init(_ child: consuming ChildProcess) {
        let (id, handle) = child.release()
        self.id = id
        descriptor = OwnedDescriptor(owning: handle)
        isChild = true
    }

    /// Takes over a process that another one started.
    init(adopting id: Int32, handle: consuming OwnedDescriptor) {
        self.id = id
        descriptor = handle
        isChild = false
    }

    /// Polls readable once the process has ended; valid while this object lives.
    public var handle: CInt { descriptor.number }

    /// How the process has ended; `nil` while it runs.
    public func poll() -> Ending? {
        if ending == nil { ending = isChild ? childEnding(WNOHANG) : strangerEnding(within: .zero) }
        return ending
    }

    /// Waits for the end, at most for a time.
    public func awaitEnd(_ timeout: Duration) -> Ending? {
        if let ending = poll() { return ending }
        _ = try? Poll.wait([.init(handle)], timeout: timeout)
        return poll()
    }

    /// Ends the process at once and waits for it; a child is reaped.
    public func kill() {
        guard poll() == nil else { return }
        _ = clinux_pidfd_signal(handle, SIGKILL)
        ending = isChild ? childEnding(0) : strangerEnding(within: Self.endLimit)
    }

    /// Whether this process listens at the other end of a connected Unix socket (unix(7),
    /// `SO_PEERCRED`).
    public func isPeer(of socket: CInt) -> Bool { clinux_peer_process(socket) == id }

    private func childEnding(_ options: CInt) -> Ending? {
        var status: CInt = 0
        return unsafe clinux_wait(id, options, &status) == id ? .status(status) : nil
    }

    private func strangerEnding(within limit: Duration) -> Ending? {
        let ended = try? Poll.wait([.init(handle)], timeout: limit)
        return ended?.isEmpty == false ? .unknown : nil
    }
}
