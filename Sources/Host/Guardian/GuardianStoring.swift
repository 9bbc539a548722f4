import CrashPoints
import Handoff
import Hypervisor
import LinuxSystem
import Logging
import MigrationModel
import Ownership
import SavedGuests
import WireProtocol

/// Saving a guest to a file of its host, and restoring it.
///
/// The right to run does not move, so the ownership record has no part in it. What must never come
/// about is a guest that runs beside a file that counts, for restoring that file would take the
/// guest back behind what its disks hold. This process alone lets the guest run and the file count,
/// one after the other; a guest that a guardian finds in memory is always as new as the file or
/// newer, so memory wins.
extension Guardian {
    /// The longest a hypervisor may take to save or load its device state.
    static var stateLimit: Duration { .seconds(30) }

    var savedFile: SavedFile { SavedFile(of: assignment.folder) }

    // MARK: Saving

    /// Stops the guest and makes the client the worker.
    func suspend(for client: CInt) throws(LivemigError) {
        try requireIdle()
        guard let machine else { throw placed(.heldByMove) }
        let status = try machine.status()
        guard status == .running || status == .paused else {
            throw LivemigError(.vmState, "the guest is \(status.rawValue), nothing to save")
        }
        if let reason = try machine.blockers().first {
            throw LivemigError(
                .device, "the hypervisor refuses to save the guest: \(reason.escaped())",
                fix: "remove the device from the guest, or stop it instead")
        }
        try decide(.suspend(isRunning: status == .running, by: client))
        guard case .saving(_, let wasRunning) = core.work else { return }
        log.info("stopped to be saved")
        try GuardianChannel.send(
            GuardianSuspended(wasRunning: wasRunning, epoch: core.ownership.right.epoch),
            to: client)
    }

    /// Lets the file be the guest: the hypervisor ends next.
    ///
    /// Nothing brings the guest in memory back once the file counts.
    func keepSavedGuest() throws(LivemigError) {
        if case .saving = core.work {
            _ = try SavedImage.header(of: assignment.folder.unfinishedSave, identity)
        }
        try savedFile.keep()
        CrashPoint.reach(.savingKept)
        log.info("saved")
    }

    private var identity: SavedHeader.Identity {
        SavedHeader.Identity(
            uuid: assignment.definition.uuid, epoch: core.ownership.right.epoch,
            memory: assignment.definition.memory)
    }

    // MARK: Restoring

    /// Insists that there is a guest to restore, and that this host may run it.
    func requireSavedGuest() throws(LivemigError) {
        guard case .owner = core.ownership.right else { throw noRight }
        guard savedFile.exists else {
            throw LivemigError(.vmState, "the VM is not saved", at: assignment.folder.path)
        }
    }

    /// Takes its worth from the file, and lets the guest run, or stand still as it did.
    func restore(_ request: GuardianRestore, for client: CInt) throws(LivemigError) {
        guard try machine?.status() == .paused else {
            throw LivemigError(.wire, "there is no guest that is restored")
        }
        try decide(.restored(resume: request.resume, by: client))
        log.info("restored")
        if request.resume { machine?.announce() }
    }

    /// The hypervisor that a guardian takes over waits for the state of a saved guest: it is of no
    /// worth, and the file is whole.
    func removeUnrestored(_ orphan: HypervisorProcess) throws(LivemigError) -> Never {
        machine = nil
        orphan.kill()
        guard orphan.poll() != nil else {
            throw LivemigError(.cleanup, "process \(orphan.id) does not end")
        }
        throw LivemigError(
            .notRunning, "the VM was being restored; it is still saved",
            fix: "livemig vm start restores it")
    }
}
