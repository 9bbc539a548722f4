import Glibc
import Guardian
import Hypervisor
import Journal
import LinuxSystem
import MigrationModel
import Ownership
import SavedGuests
import SystemPackage
import VMDefinitions
import WireProtocol
import XMLDocuments

/// The VMs of a host as files: definitions, records, and the guardians of those that run.
struct MachineStore: Sendable {
    let root: HostRoot

    /// All VMs that are defined here, ordered by name; one that cannot be read leaves the others
    /// alone.
    /// - Throws: when the folder of VMs cannot be read, and the first VM's error when more cannot
    ///   be read than a list has room for.
    func list() throws(LivemigError) -> MachineList {
        var list = MachineList()
        for name in try names() {
            do throws(LivemigError) {
                list.machines.append(try summary(of: name))
            } catch {
                // One that was removed meanwhile is none.
                guard isDefined(name) else { continue }
                list.damaged.append(
                    DamagedMachine(name: name, uuid: uuid(of: name), error: error))
            }
        }
        guard list.damaged.count <= WireLimits.damaged else {
            var error = list.damaged[0].error
            error.what = "\(list.damaged.count) VMs cannot be read, the first: \(error.what)"
            throw error
        }
        return list
    }

    /// The names of all VMs that have a definition here, ordered.
    private func names() throws(LivemigError) -> [VMName] {
        try FolderListing.names(in: root.machines).sorted()
            .compactMap { try? VMName($0) }.filter(isDefined)
    }

    private func isDefined(_ name: VMName) -> Bool {
        unsafe access(root.machine(name).definition, F_OK) == 0
    }

    /// The identity of a VM, by its definition, or by its record where that cannot be read.
    private func uuid(of name: VMName) -> VMUUID? {
        if let definition = try? definition(of: name) { return definition.uuid }
        return (try? Journal.peek(root.machine(name).record))?.uuid
    }

    /// The definition of a VM.
    /// - Throws: `E-NOVM` when there is none.
    func definition(of name: VMName) throws(LivemigError) -> VMDefinition {
        let path = root.machine(name).definition
        guard isDefined(name) else {
            throw LivemigError(.noVM, "no VM \(name)", at: known())
        }
        return try VMDefinitionDocument.read(path: path, generatedUUID: .random(), isOwn: true)
    }

    /// What the host knows of a VM.
    func summary(of name: VMName) throws(LivemigError) -> MachineSummary {
        try summary(of: name, try definition(of: name))
    }

    private func summary(
        of name: VMName, _ definition: VMDefinition
    ) throws(LivemigError) -> MachineSummary {
        let folder = root.machine(name)
        let record = try Journal.peek(folder.record)
        var summary = MachineSummary(
            name: name.text, uuid: definition.uuid, kind: definition.kind, state: .stopped,
            memory: definition.memory, vcpus: definition.vcpus, cpuModel: definition.cpuModel,
            policy: definition.policy, right: record?.right ?? .none)
        if let state = guardianState(of: name) {
            summary.state = state.guest
            summary.right = state.record.right
        } else if OrphanedHypervisor(of: folder) != nil {
            summary.state = .unknown
        } else if isSaved(folder, summary.right) {
            summary.state = .saved
        }
        return summary
    }

    /// What the host knows of a VM, with its definition.
    func message(of name: VMName) throws(LivemigError) -> MachineMessage {
        let document = try VMDefinitionDocument.encode(try definition(of: name))
        return MachineMessage(try summary(of: name), definition: document)
    }

    /// Whether a VM without a hypervisor is saved: a file beside a record that gives no right to
    /// run is of no worth.
    private func isSaved(_ folder: MachineFolder, _ right: Right?) -> Bool {
        right?.mayRun ?? false && SavedFile(of: folder).exists
    }

    /// The record of a VM, also of one that has gone, and what its guest does.
    func record(of name: VMName) throws(LivemigError) -> RecordMessage {
        if let state = guardianState(of: name) {
            return RecordMessage(state.record, state: state.guest)
        }
        let folder = root.machine(name)
        let record = try Journal.peek(folder.record)
        let state: GuestLocation.State =
            OrphanedHypervisor(of: folder) != nil
            ? .unknown : isSaved(folder, record?.right) ? .saved : .stopped
        return RecordMessage(record, state: state)
    }

    /// What the guardian of a VM says; `nil` when there is none.
    func guardianState(of name: VMName) -> GuardianState? {
        guard let client = try? GuardianClient(connecting: root.machine(name).guardianSocket)
        else { return nil }
        return try? client.request(
            GuardianDescribe(wantsMemory: false), for: GuardianState.self)
    }

    /// Keeps a definition, and gives this host the right to run the VM.
    /// - Throws: `E-EXISTS` when the name is taken, `E-DUPVM` when the UUID is.
    func define(_ document: String) throws(LivemigError) -> VMName {
        let definition = try VMDefinitionDocument.decode(
            bytes: Array(document.utf8), name: "definition", generatedUUID: .random())
        try root.admitGuests()
        let folder = root.machine(definition.name)
        guard unsafe access(folder.definition, F_OK) != 0 else {
            throw LivemigError(
                .exists, "VM \(definition.name) is defined already", at: root.path,
                fix: "remove it first with livemig vm remove")
        }
        try refuseDuplicate(of: definition)
        if let record = try Journal.peek(folder.record) {
            try replaceTombstone(record, of: definition)
        }
        try HostRoot.makeFolder(folder.path)
        var journal = try Journal(
            openingOrCreating: folder.record, uuid: definition.uuid,
            on: folder.allowsVolatileRecord ? .any : .durable)
        try journal.write(.owner(journal.record.right.epoch, nil))
        try write(definition, to: folder)
        return definition.name
    }

    /// Writes a definition into a VM's folder, which makes the VM visible.
    func write(_ definition: VMDefinition, to folder: MachineFolder) throws(LivemigError) {
        try DocumentFile.replace(
            path: folder.definition, contents: try VMDefinitionDocument.encode(definition))
    }

    /// Makes room for a VM that comes from a peer.
    /// - Throws: `E-DUPVM` when name or UUID are taken by a VM of this host.
    func admit(_ definition: VMDefinition) throws(LivemigError) {
        let folder = root.machine(definition.name)
        guard unsafe access(folder.definition, F_OK) != 0 else {
            throw LivemigError(
                .duplicateVM, "a VM \(definition.name) is here already", at: root.path)
        }
        try refuseDuplicate(of: definition)
        if let record = try Journal.peek(folder.record), record.uuid != definition.uuid {
            try replaceTombstone(record, of: definition)
        }
        try HostRoot.makeFolder(folder.path)
        try write(definition, to: folder)
    }

    /// Forgets a VM that does not run.
    func remove(_ name: VMName) throws(LivemigError) {
        _ = try definition(of: name)
        let folder = root.machine(name)
        guard guardianState(of: name) == nil, OrphanedHypervisor(of: folder) == nil else {
            throw LivemigError(
                .busy, "VM \(name) runs", at: root.path, fix: "stop it first with livemig vm stop")
        }
        let right = try Journal.peek(folder.record)?.right ?? .none
        guard right.mayRun || right == .none else {
            throw LivemigError(
                .inTransfer, "the record of VM \(name) says \(right.word)", at: root.path,
                fix: "livemig status \(name) says what to do")
        }
        guard !isSaved(folder, right) else {
            throw LivemigError(
                .saved, "VM \(name) is saved, and its memory would be lost", at: root.path,
                fix: "restore it with livemig vm start, or pass --discard-saved")
        }
        try removeFiles(of: folder)
    }

    /// Removes the file of a VM that is saved, which is stopped then.
    /// - Throws: `E-VMSTATE` when it is not saved, `E-BUSY` while it is restored.
    func discardSaved(_ name: VMName) throws(LivemigError) {
        let folder = root.machine(name)
        let notSaved = LivemigError(
            .vmState, "VM \(name) is not saved", at: root.path,
            fix: "livemig vm show \(name) says what it does")
        let found = try summary(of: name)
        guard found.state == .saved else { throw notSaved }
        // Whoever restores it holds the record, and may have been quicker.
        var journal = try Journal(openingOrCreating: folder.record, uuid: found.uuid, on: .any)
        guard isSaved(folder, journal.record.right) else { throw notSaved }
        try SavedFile(of: folder).discard()
        journal.unlock()
    }

    /// Removes a VM's folder with all that is in it.
    func removeFiles(of folder: MachineFolder) throws(LivemigError) {
        folder.removeSockets()
        try FolderTree.remove(folder.path)
    }

    private func refuseDuplicate(of definition: VMDefinition) throws(LivemigError) {
        for name in try names() where uuid(of: name) == definition.uuid {
            throw LivemigError(
                .duplicateVM, "VM \(name) has the same UUID \(definition.uuid)",
                at: root.path, fix: "two VMs never share a UUID on one host")
        }
    }

    /// A record without a definition is what is left of a VM that has gone.
    private func replaceTombstone(
        _ record: OwnershipRecord, of definition: VMDefinition
    ) throws(LivemigError) {
        switch record.right {
        case .none, .aborted: break
        case .gone where record.uuid != definition.uuid: break
        case .gone:
            throw LivemigError(
                .duplicateVM, "VM \(definition.name) was moved away to \(record.peer)",
                at: root.path, fix: "move it back, or give the new VM another UUID")
        default:
            throw LivemigError(
                .inTransfer, "the record of VM \(definition.name) says \(record.right.word)",
                at: root.path, fix: "livemig status \(definition.name) says what to do")
        }
        if record.uuid != definition.uuid {
            let path = root.machine(definition.name).record
            try SystemCall.check("unlink", at: path) { unsafe unlink(path) }
        }
    }

    private func known() -> String {
        let names = ((try? names()) ?? []).prefix(10).map(\.text).joined(separator: " ")
        return names.isEmpty ? "no VM is defined on this host" : "known: \(names)"
    }
}
