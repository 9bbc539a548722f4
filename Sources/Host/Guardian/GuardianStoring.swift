import CrashPoints
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
    /// What a worker is doing with the guest besides moving it.
    enum Storing: Equatable {
        case nothing
        /// It writes the guest, which stands still, to the file.
        case saving(worker: CInt, wasRunning: Bool)
        /// It puts memory and devices back into a hypervisor that has not run yet.
        case restoring(worker: CInt)

        var worker: CInt? {
            switch self {
            case .nothing: nil
            case .saving(let worker, _), .restoring(let worker): worker
            }
        }
    }

    /// The longest a hypervisor may take to save or load its device state.
    static var stateLimit: Duration { .seconds(30) }

    var savedFile: SavedFile { SavedFile(of: assignment.folder) }

    var isStoring: Bool { storing != .nothing }

    /// Insists that nobody saves or restores the guest.
    func requireNotStoring() throws(LivemigError) {
        guard isStoring else { return }
        throw LivemigError(
            .busy, "the guest is being saved or restored", at: assignment.folder.path,
            fix: "wait for its end, or interrupt the command that does it")
    }

    // MARK: Saving

    /// Stops the guest and makes the client the worker.
    func suspend(for client: CInt) throws(LivemigError) {
        try requireNotStoring()
        guard worker == nil, case .owner(let epoch, _) = ownership.right, let machine else {
            throw busy
        }
        let status = try machine.status()
        guard status == .running || status == .paused else {
            throw LivemigError(.vmState, "the guest is \(status.rawValue), nothing to save")
        }
        if let reason = try machine.blockers().first {
            throw LivemigError(
                .device, "the hypervisor refuses to save the guest: \(reason.escaped())",
                fix: "remove the device from the guest, or stop it instead")
        }
        let wasRunning = status == .running || isResumeOwed
        if status == .running {
            CrashPoint.reach(.beforeStop)
            try machine.stop()
            CrashPoint.reach(.afterStop)
        }
        isResumeOwed = false
        storing = .saving(worker: client, wasRunning: wasRunning)
        log.info("stopped to be saved")
        try GuardianChannel.send(
            GuardianSuspended(wasRunning: wasRunning, epoch: epoch), to: client)
    }

    /// Lets the file be the guest, and ends the hypervisor.
    ///
    /// Nothing brings the guest in memory back once the file counts.
    func keep(for client: CInt) throws(LivemigError) {
        guard case .saving(client, _) = storing else {
            throw LivemigError(.wire, "a saved guest came that nobody saves")
        }
        _ = try SavedImage.header(of: assignment.folder.unfinishedSave, identity)
        try savedFile.keep()
        storing = .nothing
        CrashPoint.reach(.savingKept)
        CrashPoint.reach(.beforeDestroy)
        machine?.destroy()
        CrashPoint.reach(.afterDestroy)
        log.info("saved")
        isFinished = true
    }

    private var identity: SavedHeader.Identity {
        SavedHeader.Identity(
            uuid: assignment.definition.uuid, epoch: ownership.right.epoch,
            memory: assignment.definition.memory)
    }

    // MARK: Restoring

    /// Insists that there is a guest to restore, and that this host may run it.
    func requireSavedGuest() throws(LivemigError) {
        guard case .owner = ownership.right else { throw noRight }
        guard savedFile.exists else {
            throw LivemigError(.vmState, "the VM is not saved", at: assignment.folder.path)
        }
    }

    /// Takes its worth from the file, and lets the guest run, or stand still as it did.
    ///
    /// A guest of which no instruction has run, for a disk is held elsewhere, stays saved.
    func restore(_ request: GuardianRestore, for client: CInt) throws(LivemigError) {
        guard case .restoring(client) = storing, let machine,
            try machine.status() == .paused
        else { throw LivemigError(.wire, "there is no guest that is restored") }
        try savedFile.spend()
        CrashPoint.reach(.restoringSpent)
        storing = .nothing
        log.info("restored")
        guard request.resume else { return savedFile.removeUnfinished() }
        do throws(LivemigError) {
            CrashPoint.reach(.beforeResume)
            try machine.resume()
            CrashPoint.reach(.afterResume)
        } catch {
            try takeBack(after: error)
            throw error
        }
        savedFile.removeUnfinished()
        machine.announce()
    }

    /// After a resumption that failed: lets the file count again if nothing has run.
    private func takeBack(after error: LivemigError) throws(LivemigError) {
        guard GuardianMachine.provesThatNothingRan(error) else { return }
        do throws(LivemigError) {
            try savedFile.keep()
        } catch {
            // The guest in memory is the only one now.
            isResumeOwed = true
            throw error
        }
        machine?.destroy()
        isFinished = true
    }

    // MARK: Giving up

    /// Gives up what the worker was doing: a guest that was to be saved runs on, one that was to be
    /// restored stays saved.
    func giveUpStoring() throws(LivemigError) {
        let before = storing
        storing = .nothing
        switch before {
        case .nothing: return
        case .saving(_, let wasRunning):
            log.info("not saved")
            savedFile.removeUnfinished()
            guard wasRunning else { return }
            CrashPoint.reach(.beforeResume)
            try resumeOwnGuest()
            CrashPoint.reach(.afterResume)
        case .restoring:
            log.info("not restored")
            machine?.destroy()
            isFinished = true
        }
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
