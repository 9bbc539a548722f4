import GuestMemory
import Handoff
import Hypervisor
import Journal
import LinuxSystem
import Logging
import MigrationModel
import Ownership
import SavedGuests

/// How a guardian takes over a guest whose guardian has died.
///
/// The lock on the record decides between guardians that try at the same time. The hypervisor is
/// not a child of this process, so its end is seen, but not how it ended.
extension Guardian.Assignment {
    /// What the record may be on; one that exists is used where it is.
    var medium: RecordMedium {
        if case .adopt = role { return .any }
        return folder.allowsVolatileRecord ? .any : .durable
    }
}

extension Guardian {
    /// A record that is missing is no ground to destroy a guest that runs, nor to let one run.
    static func requireRecord(of assignment: Assignment) throws(LivemigError) {
        guard try Journal.peek(assignment.folder.record) != nil else {
            throw LivemigError(
                .journal, "the VM's hypervisor runs, and the host has no record of the VM",
                at: assignment.folder.record)
        }
    }

    /// The hypervisor that an adoption is about.
    /// - Throws: `E-VMSTATE` where a VM is to be started beside its hypervisor, `E-NOTRUNNING`
    ///   where there is none to take over.
    static func orphan(of assignment: Assignment) throws(LivemigError) -> HypervisorProcess? {
        let orphan = OrphanedHypervisor(of: assignment.folder)
        guard case .adopt = assignment.role else {
            if let orphan { throw orphan.refusal }
            return nil
        }
        guard let orphan else {
            throw LivemigError(.notRunning, "the VM has no hypervisor to take over")
        }
        return try orphan.claim()
    }

    /// Guest RAM: new, or that of the hypervisor that is taken over.
    static func memory(
        of assignment: Assignment, _ right: Right
    ) throws(LivemigError) -> GuestMemoryFile {
        let size = assignment.definition.memory
        // A copy that is to be destroyed is not asked for anything: it may be stuck.
        guard case .adopt = assignment.role, !right.isLeftover else {
            return try GuestMemoryFile.create(size: size)
        }
        let memory = try PreloadLibrary.memory(
            socket: assignment.folder.memorySocket, of: assignment.folder.recordedHypervisor)
        guard memory.size == size else {
            throw LivemigError(
                .memory, "the hypervisor has \(memory.size.bytes) bytes of guest RAM",
                at: "the definition says \(size.bytes)")
        }
        return memory
    }

    /// Whether a hypervisor is there that is not this guardian's to end: one that could not be
    /// taken over.
    var isHypervisorForeign: Bool {
        guard let orphan, machine == nil else { return false }
        return orphan.poll() == nil
    }

    /// Takes the guest over and does what the record says about it.
    func adopt(keepStill: Bool) throws(LivemigError) {
        guard let orphan else { return }
        log.info(
            "taking over process \(orphan.id)", metadata: ["right": "\(core.ownership.right.word)"])
        guard !core.ownership.right.isLeftover else { return try removeCopy(orphan) }
        let found: MachineStatus
        do throws(LivemigError) {
            let machine = try assignment.launcher.attach(
                assignment.definition, to: orphan, folder: assignment.folder)
            do throws(LivemigError) {
                try connectConsoles()
            } catch {
                // The guest is worth guarding without a console.
                log.error("serial ports: \(error)")
            }
            found = try machine.status()
            self.machine = machine
        } catch {
            if orphan.awaitEnd(.milliseconds(500)) != nil { try decide(.hypervisorEnded) }
            throw error
        }
        if core.ownership.right.mayRun {
            if found == .incoming { try removeUnrestored(orphan) }
            do throws(LivemigError) {
                try savedFile.discard()
            } catch {
                // It is guarded all the same, and does not run while the file may count.
                return log.error("the saved guest is not gone: \(error)")
            }
        }
        // A guest that has powered itself off or failed is let be, as at any other time.
        let guest: SourceMachine.Guest = found == .paused ? .stopped : .running
        do throws(LivemigError) {
            try decide(.adopt(guest, keepsStill: keepStill))
        } catch {
            // It is guarded all the same; a guest whose disk is held elsewhere is tried again.
            log.error("after the takeover: \(error)")
        }
    }

    /// A copy that will never get the right: the record says so first, then it is ended.
    private func removeCopy(_ orphan: HypervisorProcess) throws(LivemigError) {
        try decide(.adopt(.stopped, keepsStill: false))
        orphan.kill()
        guard orphan.poll() != nil else {
            throw LivemigError(.cleanup, "process \(orphan.id) does not end")
        }
        isOver = true
    }
}
