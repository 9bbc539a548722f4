import CrashPoints
import Guardian
import GuestMemory
import Hypervisor
import Journal
import LinuxSystem
import MigrationModel
import SavedGuests
import WireProtocol

/// Restores a guest that was saved on this host.
///
/// This worker puts memory back and compares it with what was saved, while the guardian starts the
/// hypervisor; the guardian takes the file's worth away before it lets the guest run. Until then
/// the worker's end leaves the VM saved. Runs on a thread of its own.
struct GuestRestoring: Sendable {
    let environment: AgentEnvironment
    let name: VMName
    let events: FrameSink
    let control: MoveControl

    /// Restores the guest.
    /// - Throws: `E-SAVEDFILE` for a file that is not to be trusted, `E-LOCK` for a disk that is
    ///   held elsewhere, and why the hypervisor does not start; the VM is still saved then.
    func run() throws(LivemigError) {
        let folder = environment.root.machine(name)
        let definition = try MachineStore(root: environment.root).definition(of: name)
        guard
            let record = try Journal.peek(
                folder.record, uuid: definition.uuid, memories: environment.root.memories)
        else {
            throw LivemigError(
                .journal, "the VM is saved, and the host has no record of it", at: folder.record)
        }
        let identity = SavedHeader.Identity(
            uuid: definition.uuid, epoch: record.right.epoch, memory: definition.memory)
        // A file that is to be refused starts no hypervisor.
        _ = try SavedImage.header(of: folder.saved, identity)
        let turn = try MemoryAdmission.admitStart(of: definition, in: environment.root)
        defer { turn.end() }
        let guardian = try GuardianStarter(environment: environment).start(name, ["--restore"])
        do throws(LivemigError) {
            try restore(identity, from: folder, guardian, turn)
        } catch {
            throw settle(error, guardian)
        }
    }

    private func restore(
        _ identity: SavedHeader.Identity, from folder: MachineFolder,
        _ guardian: borrowing GuardianClient, _ turn: MoveSlot
    ) throws(LivemigError) {
        var begun = try guardian.receive()
        _ = try begun.decode(GuardianState.self)
        // The guardian answers for the guest's memory from now on.
        turn.end()
        guard let descriptor = begun.takeDescriptor() else {
            throw LivemigError(.internal, "the guardian sent no guest memory")
        }
        let memory = try GuestMemoryFile(adopting: descriptor, expecting: identity.memory)
        let progress = StoringProgress(events: events, control: control)
        let (header, state) = try SavedImage.read(
            folder.saved, identity, into: memory, progress.note)
        CrashPoint.reach(.restoringPlaced)
        _ = try guardian.receive().decode(GuardianState.self)
        try PreloadProof.check(folder, guardian)
        try DeviceStateStream.load(state, guardian)
        try control.commit()
        try guardian.perform(GuardianRestore(resume: header.wasRunning))
        DeviceStateSize.keep(UInt64(state.count), in: folder)
    }

    /// After a failure: has the hypervisor removed that has not run, so that the VM can be started
    /// again.
    private func settle(
        _ failure: LivemigError, _ guardian: borrowing GuardianClient
    ) -> LivemigError {
        abort(guardian)
        // What a guardian that has died leaves behind is taken over.
        _ = try? GuardianSearch(environment: environment).guardian(of: name)
        guard let summary = try? MachineStore(root: environment.root).summary(of: name) else {
            return failure
        }
        return failure.with(
            guest: GuestLocation(
                vm: name.text, state: summary.state, host: "", epoch: summary.epoch))
    }

    /// Has the guardian give up, and waits until it has ended, unless the guest is its own by now.
    private func abort(_ guardian: borrowing GuardianClient) {
        do throws(LivemigError) {
            try GuardianChannel.send(GuardianAbort(), to: guardian.descriptor)
            var limit = MonotonicTime.now + Self.startLimit
            while true {
                // What it says of its start may come first.
                let left = max(.zero, limit - .now)
                guard try !Poll.wait([.init(guardian.descriptor)], timeout: left).isEmpty else {
                    return
                }
                let packet = try guardian.receive()
                if packet.isEnd { return }
                if packet.type == .done { limit = .now + Self.endLimit }
            }
        } catch {
            // It has ended.
        }
    }

    /// How long a hypervisor that starts keeps its guardian from listening.
    private static let startLimit = Duration.seconds(20)
    /// How long a guardian takes to end once it has given up.
    private static let endLimit = Duration.seconds(2)
}
