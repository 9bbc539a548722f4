public import LinuxSystem
public import MigrationModel

/// One guest in one hypervisor process, as its guardian sees it.
///
/// Called from the guardian's one thread. Every call is bounded in time. A call that throws leaves
/// the guest as it was, unless the error says otherwise.
public protocol VirtualMachine: AnyObject {
    /// The hypervisor's process id.
    var process: Int32 { get }

    /// A descriptor that polls readable once the hypervisor has ended; valid while this object
    /// lives.
    var processHandle: CInt { get }

    /// What the guest does now.
    func status() throws(LivemigError) -> MachineStatus

    /// The hypervisor's own reasons why the guest's state cannot be saved now; none when it can.
    func blockers() throws(LivemigError) -> [String]

    /// Stops the vCPUs. When it returns, no instruction of the guest runs any more.
    func stop() throws(LivemigError)

    /// Lets the vCPUs run and makes sure that they do.
    ///
    /// Takes the disks' locks back where the hypervisor has locks.
    /// - Throws: `E-LOCK` when a disk's lock is held elsewhere; no instruction has run then.
    func resume() throws(LivemigError)

    /// Writes the state of the devices and vCPUs of a stopped guest, without its RAM.
    ///
    /// Returns when everything is written and the disks are flushed. The guest stays stopped and
    /// may be resumed after it.
    ///
    /// - Parameters:
    ///   - descriptor: a stream socket; the hypervisor closes it at the end of the state.
    ///   - deadline: when to give up.
    func saveDeviceState(
        to descriptor: consuming OwnedDescriptor, deadline: MonotonicTime
    ) throws(LivemigError)

    /// Loads the state of devices and vCPUs into a machine that was launched as incoming.
    ///
    /// Guest RAM must be complete before: loading reads it. Returns with the guest stopped and
    /// ready to be resumed.
    /// - Throws: `E-DSTQEMU` with the hypervisor's last words when it refuses.
    func loadDeviceState(
        from descriptor: consuming OwnedDescriptor, deadline: MonotonicTime
    ) throws(LivemigError)

    /// Whether the kernel has killed the hypervisor for want of memory.
    var wasKilledForMemory: Bool { get }

    /// What the hypervisor knows of the error that has stopped the guest.
    func trouble() -> MachineTrouble

    /// Tells the network where the guest is now; failures are of no consequence to the guest.
    func announce()

    /// Ends the hypervisor, whatever it does, and waits for the end.
    func destroy()

    /// The last line the hypervisor printed, escaped; empty when it printed nothing.
    var lastWords: String { get }
}

/// What has stopped a guest.
public struct MachineTrouble: Hashable, Sendable {
    /// The position of the disk in the definition; `nil` when the hypervisor does not say.
    public var disk: Int?
    /// Whether that disk has no space left.
    public var isFull: Bool
    /// The hypervisor's word for the guest's state; empty without one.
    public var word: String

    /// States what is known.
    public init(disk: Int? = nil, isFull: Bool = false, word: String = "") {
        self.disk = disk
        self.isFull = isFull
        self.word = word
    }
}

/// What a guest does, in the terms that all hypervisors share.
public enum MachineStatus: String, Hashable, Sendable {
    /// The vCPUs run.
    case running
    /// The vCPUs stand still and can be resumed.
    case paused
    /// An incoming machine that has no device state yet.
    case incoming
    /// The guest has powered itself off.
    case shutdown
    /// The vCPUs stand still because a disk could not be read or written; they can be resumed.
    case ioError = "io-error"
    /// Neither running nor resumable: an error of the hypervisor, a panic of the guest.
    case failed
}

extension LivemigError {
    /// A hypervisor that the kernel has killed for want of memory.
    public static var killedForMemory: LivemigError {
        LivemigError(
            .memory, "the hypervisor was killed: the host has run out of memory",
            fix: "free memory there, or raise the limit of its control group; see journalctl -k")
    }
}
