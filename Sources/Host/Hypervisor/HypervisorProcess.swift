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
    private var wasKilledHere = false
    private let memoryKills: () -> UInt64
    private let memoryKillsBefore: UInt64

    /// How long a process that this one did not start may take to end once it is killed.
    private static let endLimit = Duration.seconds(10)

    /// Goes on with a child.
    public convenience init(_ child: consuming ChildProcess) {
        self.init(child, memoryKills: Self.memoryKills)
    }

    /// - Parameter memoryKills: how many processes were killed for want of memory until now.
    init(_ child: consuming ChildProcess, memoryKills: @escaping () -> UInt64) {
        let (id, handle) = child.release()
        self.id = id
        descriptor = OwnedDescriptor(owning: handle)
        isChild = true
        self.memoryKills = memoryKills
        memoryKillsBefore = memoryKills()
    }

    /// Takes over a process that another one started.
    init(adopting id: Int32, handle: consuming OwnedDescriptor) {
        self.id = id
        descriptor = handle
        isChild = false
        memoryKills = Self.memoryKills
        memoryKillsBefore = memoryKills()
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
        wasKilledHere = true
        _ = clinux_pidfd_signal(handle, SIGKILL)
        ending = isChild ? childEnding(0) : strangerEnding(within: Self.endLimit)
    }

    /// Whether the kernel has killed the process because memory, or a limit of it, was used up: it
    /// died of SIGKILL by nobody here, and the kernel has counted such a kill since it started.
    public var wasKilledForMemory: Bool {
        guard !wasKilledHere, let ending = poll() else { return false }
        return (ending == .status(128 + SIGKILL) || ending == .unknown)
            && memoryKills() > memoryKillsBefore
    }

    /// The kernel's count (proc(5), `/proc/vmstat`), which covers limits of control groups as well.
    private static func memoryKills() -> UInt64 {
        guard let file = try? OwnedDescriptor.open("/proc/vmstat", O_RDONLY),
            let bytes = try? DescriptorIO.readFully(upTo: 64 << 10, from: file.number)
        else { return 0 }
        let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix("oom_kill ") }
        return line.flatMap { UInt64($0.dropFirst(9)) } ?? 0
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
