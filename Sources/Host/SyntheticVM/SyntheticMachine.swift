import Glibc
public import Hypervisor
public import LinuxSystem
public import MigrationModel

/// A reference guest in its own process, as its guardian sees it.
///
/// Used by one thread.
public final class SyntheticMachine: VirtualMachine {
    private let hypervisor: HypervisorProcess
    private var client: ControlClient
    private let folder: MachineFolder

    /// How long a call other than save and load may take, in addition to checking memory.
    private static let patience = Duration.seconds(5)

    init(
        _ hypervisor: HypervisorProcess, _ client: consuming ControlClient, folder: MachineFolder
    ) {
        self.hypervisor = hypervisor
        self.client = client
        self.folder = folder
    }

    /// Whether the kernel has killed the guest's process for want of memory.
    public var wasKilledForMemory: Bool { hypervisor.wasKilledForMemory }

    /// The guest's process id.
    public var process: Int32 { hypervisor.id }

    /// Polls readable once the guest's process has ended.
    public var processHandle: CInt { hypervisor.handle }

    /// What the guest does now.
    /// - Throws: `E-GUESTDOWN` when its process has ended.
    public func status() throws(LivemigError) -> MachineStatus {
        let text = try call(.status)
        guard let status = MachineStatus(rawValue: text) else {
            throw LivemigError(.qmpProtocol, "unknown status \(text.escaped())")
        }
        return status
    }

    /// None: a reference guest can always be moved.
    public func blockers() throws(LivemigError) -> [String] { [] }

    /// Stops the guest's threads; each finishes its step in progress.
    public func stop() throws(LivemigError) { _ = try call(.stop) }

    /// Lets the guest's threads run.
    /// - Throws: `E-LOCK` when the guest was started with `refuse-resume=1` and came from
    ///   elsewhere.
    public func resume() throws(LivemigError) { _ = try call(.resume) }

    /// Writes the device state; the guest gives up by itself at the deadline.
    /// - Throws: `E-TIMEOUT` at the deadline, `E-VMSTATE` for a guest that is not paused.
    public func saveDeviceState(
        to descriptor: consuming OwnedDescriptor, deadline: MonotonicTime
    ) throws(LivemigError) {
        // The guest ends the wait; its answer comes a moment after the deadline.
        _ = try call(
            .save(deadline.nanoseconds), descriptor: descriptor.number,
            deadline: deadline + .seconds(1))
    }

    /// Loads a device state into an incoming guest.
    /// - Throws: `E-DSTQEMU` with the guest's last words when it refuses or dies, `E-TIMEOUT` at
    ///   the deadline.
    public func loadDeviceState(
        from descriptor: consuming OwnedDescriptor, deadline: MonotonicTime
    ) throws(LivemigError) {
        do {
            _ = try call(
                .load(deadline.nanoseconds), descriptor: descriptor.number, deadline: deadline)
        } catch {
            guard error.code == .guestDown else { throw error }
            let words = lastWords
            let what =
                words.isEmpty
                ? "the guest's process ended while it loaded its device state"
                : "the guest refused its device state: \(words)"
            throw LivemigError(.destinationQEMU, what, at: folder.hypervisorLog)
        }
    }

    /// Nothing but the state.
    public func trouble() -> MachineTrouble {
        MachineTrouble(word: (try? status().rawValue) ?? "")
    }

    /// Does nothing: a reference guest has no network.
    public func announce() {}

    /// Kills the guest's process and reaps it; once is enough, more do no harm.
    public func destroy() { hypervisor.kill() }

    /// The last line on the guest's standard error, escaped.
    public var lastWords: String { SyntheticLauncher.lastWords(in: folder) }

    // MARK: Beyond the contract

    /// The pages that do not hold what they must: how many, and the first 16 of them.
    public struct Difference: Hashable, Sendable {
        /// How many pages differ.
        public let count: Int
        /// The first of them, in ascending order.
        public let first: [Int]
    }

    /// Checks every page of RAM; a running guest stands still for it.
    /// - Parameter patience: how long the check may take.
    public func verify(patience: Duration = .seconds(60)) throws(LivemigError) -> Difference {
        let numbers = try numbers(of: .verify, patience: patience)
        guard let count = Int(exactly: numbers[0]) else {
            throw LivemigError(.qmpProtocol, "\(numbers[0]) pages differ")
        }
        return Difference(count: count, first: numbers.dropFirst().map { Int(clamping: $0) })
    }

    /// How often the guest's heart has beaten, and the steps each writer has made.
    public func steps() throws(LivemigError) -> (beats: UInt64, steps: [UInt64]) {
        let numbers = try numbers(of: .steps, patience: Self.patience)
        return (numbers[0], Array(numbers.dropFirst()))
    }

    /// Changes a page without the invariant's knowledge, so that `verify` must report it.
    public func poke(page: Int) throws(LivemigError) { _ = try call(.poke(page)) }

    /// Sets how fast the guest rewrites pages.
    public func setRate(_ rate: WorkloadParameters.Rate) throws(LivemigError) {
        _ = try call(.rate(rate))
    }

    /// Lets the guest power itself off.
    public func powerOff() throws(LivemigError) { _ = try call(.poweroff) }

    private func numbers(
        of request: ControlRequest, patience: Duration
    ) throws(LivemigError) -> [UInt64] {
        let text = try call(request, deadline: .now + patience)
        let numbers = text.split { $0 == " " || $0 == ":" }.map { UInt64($0) }
        guard let first = numbers.first, first != nil, !numbers.contains(nil) else {
            throw LivemigError(.qmpProtocol, "not numbers: \(text.escaped())")
        }
        return numbers.compactMap { $0 }
    }

    private func call(
        _ request: ControlRequest, descriptor: CInt? = nil, deadline: MonotonicTime? = nil
    ) throws(LivemigError) -> String {
        do {
            return try client.call(
                request, descriptor: descriptor, deadline: deadline ?? .now + Self.patience)
        } catch {
            guard error.code == .disconnected, hypervisor.awaitEnd(.seconds(1)) != nil else {
                throw error
            }
            throw LivemigError(
                .guestDown, "the guest's process has ended: \(lastWords)", at: folder.hypervisorLog)
        }
    }
}
