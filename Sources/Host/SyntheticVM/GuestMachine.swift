import Hypervisor
import LinuxSystem
import MigrationModel

/// A reference guest inside its own process: memory, threads, and what may be done with them when.
///
/// Calls come from the control thread and the console thread; one at a time gets in.
final class GuestMachine: Sendable {
    private struct State {
        var status: MachineStatus
        /// Whether the guest came from elsewhere and has not run here yet.
        var arrived = false
    }

    private let image: GuestImage
    private let threads: GuestThreads
    private let vcpus: Int
    private let state: Monitor<State>

    /// A guest that stands still: filled as at power-on, or empty and waiting for its state.
    init(_ image: GuestImage, console: GuestConsole, vcpus: Int, mode: LaunchMode) {
        self.image = image
        self.vcpus = vcpus
        threads = GuestThreads(image, console: console)
        if mode == .powerOn { image.fill() }
        state = Monitor(State(status: mode == .powerOn ? .paused : .incoming))
    }

    private var parameters: WorkloadParameters { image.expected.parameters }

    var status: MachineStatus { state.withLock { $0.status } }

    /// Stops a running guest; one that does not run stays as it is.
    func stop() {
        state.withLock { state in
            guard state.status == .running else { return }
            threads.stop()
            state.status = .paused
        }
    }

    /// Lets the guest run.
    /// - Throws: `E-LOCK` by order of `refuse-resume`, `E-VMSTATE` when it cannot run.
    func resume() throws(LivemigError) {
        try state.withLock { (state) throws(LivemigError) in
            switch state.status {
            case .running: return
            case .paused, .ioError: break
            case .incoming: throw LivemigError(.vmState, "no device state was loaded")
            case .shutdown, .failed:
                throw LivemigError(.vmState, "the guest is \(state.status.rawValue)")
            }
            guard !(state.arrived && parameters.faults.refusesResume) else {
                throw LivemigError(.lock, "disk lock refused, as refuse-resume=1 asks")
            }
            state.arrived = false
            threads.resume()
            state.status = .running
        }
    }

    /// The device state of a guest that stands still.
    func deviceState() throws(LivemigError) -> [UInt8] {
        try state.withLock { (state) throws(LivemigError) in
            guard state.status != .shutdown else {
                throw LivemigError(.guestDown, "the guest has powered itself off")
            }
            guard state.status == .paused else {
                throw LivemigError(.vmState, "the guest is \(state.status.rawValue), not paused")
            }
            return DeviceState(
                rate: threads.rate, heartbeat: threads.heartbeat, steps: threads.steps
            ).encoded(parameters, vcpus: vcpus)
        }
    }

    /// Insists that a state may be loaded.
    func requireIncoming() throws(LivemigError) {
        let status = status
        guard status == .incoming else {
            throw LivemigError(.vmState, "the guest is \(status.rawValue), not incoming")
        }
    }

    /// Becomes the guest that a state describes, and stands still.
    /// - Throws: `E-DEVICE-STATE` when the state is refused.
    func load(_ bytes: [UInt8]) throws(LivemigError) {
        let device = try DeviceState(decoding: bytes, parameters, vcpus: vcpus)
        guard !parameters.faults.refusesLoad else {
            throw LivemigError(.deviceState, "device state refused: refuse-load=1 asks for it")
        }
        state.withLock { state in
            threads.steps = device.steps
            threads.heartbeat = device.heartbeat
            threads.rate = device.rate
            state.arrived = true
            state.status = .paused
        }
    }

    /// Checks every page of RAM; a running guest stands still for it.
    func verify() throws(LivemigError) -> GuestImage.Difference {
        try state.withLock { (state) throws(LivemigError) in
            guard state.status != .incoming else {
                throw LivemigError(.vmState, "no device state was loaded")
            }
            if state.status == .running { threads.stop() }
            defer { if state.status == .running { threads.resume() } }
            return try image.check(steps: threads.steps, heartbeat: threads.heartbeat)
        }
    }

    /// The heartbeat's count and each writer's steps.
    var steps: (beats: UInt64, steps: [UInt64]) { (threads.heartbeat.count, threads.steps) }

    /// Powers the guest off from within.
    func powerOff() throws(LivemigError) {
        try state.withLock { (state) throws(LivemigError) in
            guard state.status == .running else {
                throw LivemigError(.vmState, "the guest is \(state.status.rawValue), not running")
            }
            threads.stop()
            state.status = .shutdown
        }
    }

    /// Stands still as a guest does whose disk cannot be written, or that has failed.
    func halt(_ status: MachineStatus) throws(LivemigError) {
        try state.withLock { (state) throws(LivemigError) in
            guard state.status == .running else {
                throw LivemigError(.vmState, "the guest is \(state.status.rawValue), not running")
            }
            threads.stop()
            state.status = status
        }
    }

    /// Changes a page without the invariant's knowledge.
    func poke(_ page: Int) throws(LivemigError) {
        guard (0..<parameters.pageCount).contains(page) else {
            throw LivemigError(.range, "page \(page) of \(parameters.pageCount)")
        }
        image.poke(page)
    }

    /// Sets how fast the writers write.
    func setRate(_ rate: WorkloadParameters.Rate) { threads.rate = rate }
}
