import Glibc
import GuestFiles
import Hypervisor
import Journal
import LinuxSystem
import MigrationModel
import Ownership
import SavedGuests
import VMDefinitions
import WireProtocol

/// How a VM comes to this host other than by a move, and how it is forgotten.
extension MachineStore {
    /// Keeps a definition, and gives this host the right to run the VM.
    ///
    /// Its epoch goes on from the highest that this host or the others know of it.
    /// - Parameters:
    ///   - request: the definition, and what the other hosts know.
    ///   - check: whether this host could run the VM.
    /// - Throws: `E-FORBIDDEN` for a file that guests of this host may not have; `E-EXISTS` when the
    ///   name is taken, `E-DUPVM` when the UUID is, or when this host has
    ///   given the VM away and the others were not asked; as `check`.
    func define(
        _ request: DefineMachine, check: (VMDefinition) throws(LivemigError) -> Void
    ) throws(LivemigError) -> VMName {
        let definition = try VMDefinitionDocument.decode(
            bytes: Array(request.definition.utf8), name: "definition", generatedUUID: .random())
        try root.admitGuests()
        try root.fileRules().requirePlaces(of: definition)
        let folder = root.machine(definition.name)
        guard !isDefined(definition.name) else {
            throw LivemigError(
                .exists, "VM \(definition.name) is defined already", at: root.path,
                fix: "remove it first with livemig vm remove")
        }
        try refuseDuplicate(of: definition)
        try check(definition)
        var epochs = [request.known].compactMap(\.self)
        if let record = try Journal.peek(folder.record) {
            try replaceTombstone(record, of: definition, isAsked: request.isAsked)
            if record.uuid == definition.uuid, record.right != .none {
                epochs.append(record.right.epoch)
            }
        }
        if let remembered = try RightMemory.peek(definition.uuid, in: root.memories) {
            epochs.append(remembered.epoch)
        }
        let epoch = epochs.max().map { $0.next } ?? Epoch(0)
        guard let epoch else {
            throw LivemigError(.range, "the epochs of the VM are used up", at: root.path)
        }
        try HostRoot.makeFolder(folder.path)
        if !epochs.isEmpty {
            // What is left of an earlier life counts no more, also where its record is missing.
            try RightMemory.forget(definition.uuid, .none, in: root.memories)
        }
        try keep(definition, at: epoch, in: folder)
        return definition.name
    }

    private func keep(
        _ definition: VMDefinition, at epoch: Epoch, in folder: MachineFolder
    ) throws(LivemigError) {
        // The record of a life that has ended has nothing to say about the one that begins.
        if try Journal.peek(folder.record) != nil {
            try SystemCall.check("unlink", at: folder.record) { unsafe unlink(folder.record) }
        }
        var journal = try Journal(
            openingOrCreating: folder.record, uuid: definition.uuid,
            on: folder.allowsVolatileRecord ? .any : .durable, memories: root.memories)
        try journal.write(.owner(epoch, nil), peer: "")
        try write(definition, to: folder)
    }

    /// Forgets a VM that does not run, also one whose record has come back from a backup.
    func remove(_ name: VMName) throws(LivemigError) {
        let definition = try definition(of: name)
        let folder = root.machine(name)
        guard guardianState(of: name) == nil, OrphanedHypervisor(of: folder) == nil else {
            throw LivemigError(
                .busy, "VM \(name) runs", at: root.path, fix: "stop it first with livemig vm stop")
        }
        let right = try Journal.peek(folder.record)?.right ?? .none
        let isStale = try isStale(right, definition.uuid)
        guard right.mayRun || right == .none || isStale else {
            throw LivemigError(
                .inTransfer, "the record of VM \(name) says \(right.word)", at: root.path,
                fix: right.isDeparted
                    ? "livemig recover \(name) removes what it left here"
                    : "livemig status \(name) says what to do")
        }
        let isSaved = isStale ? SavedFile(of: folder).exists : isSaved(folder, right)
        guard !isSaved else {
            throw LivemigError(
                .saved, "VM \(name) is saved, and its memory would be lost", at: root.path,
                fix: "restore it with livemig vm start, or pass --discard-saved")
        }
        // A right that was given away is not forgotten: somebody may still ask for it.
        if right.mayRun, !isStale {
            try RightMemory.forget(definition.uuid, right, in: root.memories)
        }
        try removeFiles(of: folder)
    }

    private func isStale(_ right: Right, _ uuid: VMUUID) throws(LivemigError) -> Bool {
        guard let remembered = try RightMemory.peek(uuid, in: root.memories) else { return false }
        return right.isOlder(than: remembered)
    }

    /// Removes the file of a VM that is saved, which is stopped then.
    /// - Throws: `E-VMSTATE` when it is not saved, `E-BUSY` while it is restored.
    func discardSaved(_ name: VMName) throws(LivemigError) {
        let folder = root.machine(name)
        let definition = try definition(of: name)
        let right = try Journal.peek(folder.record)?.right ?? .none
        if try isStale(right, definition.uuid), OrphanedHypervisor(of: folder) == nil {
            return try SavedFile(of: folder).discard()
        }
        let notSaved = LivemigError(
            .vmState, "VM \(name) is not saved", at: root.path,
            fix: "livemig vm show \(name) says what it does")
        let found = try summary(of: name)
        guard found.state == .saved else { throw notSaved }
        // Whoever restores it holds the record, and may have been quicker.
        var journal = try Journal(
            openingOrCreating: folder.record, uuid: found.uuid, on: .any, memories: root.memories)
        guard isSaved(folder, journal.record.right) else { throw notSaved }
        try SavedFile(of: folder).discard()
        journal.unlock()
    }

    func refuseDuplicate(of definition: VMDefinition) throws(LivemigError) {
        for name in try names() where uuid(of: name) == definition.uuid {
            throw LivemigError(
                .duplicateVM, "VM \(name) has the same UUID \(definition.uuid)",
                at: root.path, fix: "two VMs never share a UUID on one host")
        }
    }

    /// A record without a definition is what is left of a VM that has gone.
    func replaceTombstone(
        _ record: OwnershipRecord, of definition: VMDefinition, isAsked: Bool
    ) throws(LivemigError) {
        let isSame = record.uuid == definition.uuid
        switch record.right {
        case .none, .aborted: break
        case .gone where isAsked || !isSame: break
        // A definition that was cut short, or removed by hand.
        case .owner where OrphanedHypervisor(of: root.machine(definition.name)) == nil: break
        case .gone:
            throw LivemigError(
                .duplicateVM, "VM \(definition.name) was moved away to \(record.peer)",
                at: root.path, fix: "ask all hosts: livemig vm define does")
        default:
            throw LivemigError(
                .inTransfer, "the record of VM \(definition.name) says \(record.right.word)",
                at: root.path, fix: "livemig status \(definition.name) says what to do")
        }
        guard !isSame else { return }
        let path = root.machine(definition.name).record
        try SystemCall.check("unlink", at: path) { unsafe unlink(path) }
    }

    /// What this host has that only one VM of a fleet may have.
    func claims(of subject: Claims.Subject) throws(LivemigError) -> Claims {
        var claims = Claims(
            remembered: try RightMemory.peek(subject.uuid, in: root.memories))
        let folders = try FolderListing.names(in: root.machines).sorted()
            .compactMap { try? VMName($0) }
        for name in folders {
            do throws(LivemigError) {
                if let machine = try claim(of: name, on: subject) {
                    claims.machines.append(machine)
                }
            } catch {
                let uuid = uuid(of: name)
                guard name == subject.name || uuid == subject.uuid else { continue }
                claims.damaged.append(DamagedMachine(name: name, uuid: uuid, error: error))
            }
        }
        return claims
    }

    private func claim(
        of name: VMName, on subject: Claims.Subject
    ) throws(LivemigError) -> Claims.Machine? {
        guard isDefined(name) else {
            guard let record = try Journal.peek(root.machine(name).record),
                record.uuid == subject.uuid, record.right != .none
            else { return nil }
            return Claims.Machine(
                name: name, uuid: record.uuid, right: record.right, peer: record.peer,
                state: .stopped, isDefined: false)
        }
        let definition = try definition(of: name)
        let own = Claims.Subject(definition)
        let macs = own.macs.filter { subject.macs.contains($0) }
        let images = own.images.filter { subject.images.contains($0) }
        let isSame = own.uuid == subject.uuid
        guard isSame || name == subject.name || !macs.isEmpty || !images.isEmpty else { return nil }
        let summary = try summary(of: name)
        return Claims.Machine(
            name: name, uuid: own.uuid, right: summary.right,
            peer: isSame ? (try record(of: name).record?.peer ?? "") : "", state: summary.state,
            macs: isSame ? own.macs : macs, images: isSame ? own.images : images)
    }
}
