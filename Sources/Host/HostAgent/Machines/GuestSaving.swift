import CrashPoints
import Guardian
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel
import SavedGuests
import WireProtocol

/// Saves a guest to a file of this host.
///
/// This worker writes the file; the guardian stops the guest before, and decides after it that the
/// file is the guest. Until then the worker's end lets the guest run on. Runs on a thread of its
/// own.
struct GuestSaving: Sendable {
    let environment: AgentEnvironment
    let name: VMName
    let events: FrameSink
    let control: MoveControl

    /// Saves the guest.
    /// - Throws: what went wrong, saying where the guest is; it runs on unless it has died itself.
    func run() throws(LivemigError) {
        let folder = environment.root.machine(name)
        let store = MachineStore(root: environment.root)
        let definition = try store.definition(of: name)
        guard try store.summary(of: name).state != .saved else {
            throw LivemigError(.saved, "VM \(name) is saved already", at: environment.root.path)
        }
        try GuestImageLook(environment, definition).requireOwn()
        let guardian = try GuardianClient(connecting: folder.guardianSocket)
        let memory = try GuestMemoryFile(
            adopting: try guardian.memory(), expecting: definition.memory)
        // Asked again when the guest stands still; before that nothing has happened to it.
        try SavedImage.requireRoom(for: memory, in: folder)
        do throws(LivemigError) {
            try save(memory, of: definition, to: folder, guardian)
        } catch {
            try settle(error, guardian)
        }
    }

    private func save(
        _ memory: borrowing GuestMemoryFile, of definition: VMDefinition, to folder: MachineFolder,
        _ guardian: borrowing GuardianClient
    ) throws(LivemigError) {
        let stopped = try guardian.request(GuardianSuspend(), for: GuardianSuspended.self)
        let state = Monitor<[UInt8]>([])
        // Before memory is written: the hypervisor may write guest RAM while it saves its devices.
        _ = try DeviceStateStream.save(guardian) { (bytes) throws(LivemigError) in
            state.withLock { $0 += bytes }
        }
        let progress = StoringProgress(events: events, control: control)
        try SavedImage.write(
            memory, state: state.withLock { $0 },
            SavedHeader.Identity(
                uuid: definition.uuid, epoch: stopped.epoch, memory: definition.memory),
            wasRunning: stopped.wasRunning, in: folder, progress.note)
        CrashPoint.reach(.savingWritten)
        try control.commit()
        try guardian.perform(GuardianKeep())
        try GuardianSearch.waitForEnd(of: guardian, at: folder.path)
    }

    /// After a failure: makes sure that the guest runs on, and says where it is.
    private func settle(
        _ failure: LivemigError, _ guardian: borrowing GuardianClient
    ) throws(LivemigError) {
        do throws(LivemigError) {
            try guardian.perform(GuardianAbort())
        } catch {
            // A guardian that has died is replaced, so that the guest does not stand still with
            // nobody to resume it.
            _ = try? GuardianSearch(environment: environment).guardian(of: name)
        }
        guard let summary = try? MachineStore(root: environment.root).summary(of: name) else {
            throw failure
        }
        // The guardian has died when the file counted already, and the hypervisor with it.
        if summary.state == .saved { return }
        throw failure.with(
            guest: GuestLocation(
                vm: name.text, state: summary.state, host: "", epoch: summary.epoch))
    }
}

/// Tells the controller how far the saving or restoring of a guest is, and notices when nobody
/// wants it any more.
///
/// Used by one thread.
final class StoringProgress {
    private let events: FrameSink
    private let control: MoveControl
    private var last = MonotonicTime.now

    /// The least time between two messages.
    private static let pause = Duration.milliseconds(200)

    init(events: FrameSink, control: MoveControl) {
        self.events = events
        self.control = control
    }

    func note(_ done: UInt64, _ total: UInt64) throws(LivemigError) {
        try control.check()
        guard last.elapsed >= Self.pause else { return }
        last = .now
        events.sendIfPossible(Storing(done: done, total: total))
    }
}
