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
    func names() throws(LivemigError) -> [VMName] {
        try FolderListing.names(in: root.machines).sorted()
            .compactMap { try? VMName($0) }.filter(isDefined)
    }

    func isDefined(_ name: VMName) -> Bool {
        unsafe access(root.machine(name).definition, F_OK) == 0
    }

    /// The identity of a VM, by its definition, or by its record where that cannot be read.
    func uuid(of name: VMName) -> VMUUID? {
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
        var summary = MachineSummary(
            name: name.text, uuid: definition.uuid, kind: definition.kind, state: .stopped,
            memory: definition.memory, vcpus: definition.vcpus, cpuModel: definition.cpuModel,
            policy: definition.policy, right: .none)
        let answer = guardianAnswer(of: name)
        if case .success(let state) = answer {
            summary.state = state.guest
            summary.right = state.record.right
            summary.complaint = state.complaint
            // What the file says matters no less, for whoever comes after the guardian.
            _ = try Journal.peek(folder.record)
            return summary
        }
        let record = try Journal.peek(
            folder.record, uuid: definition.uuid, memories: root.memories)
        summary.right = record?.right ?? .none
        if OrphanedHypervisor(of: folder) != nil {
            summary.state = .unknown
            summary.complaint = Self.unguarded(name, answer)
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
    func isSaved(_ folder: MachineFolder, _ right: Right?) -> Bool {
        right?.mayRun ?? false && SavedFile(of: folder).exists
    }

    /// The record of a VM, also of one that has gone, and what its guest does.
    func record(of name: VMName) throws(LivemigError) -> RecordMessage {
        if let state = guardianState(of: name) {
            return RecordMessage(state.record, state: state.guest)
        }
        let folder = root.machine(name)
        let record = try Journal.peek(
            folder.record, uuid: (try? definition(of: name))?.uuid, memories: root.memories)
        let state: GuestLocation.State =
            OrphanedHypervisor(of: folder) != nil
            ? .unknown : isSaved(folder, record?.right) ? .saved : .stopped
        return RecordMessage(record, state: state)
    }

    /// What the guardian of a VM says; `nil` when there is none that says something.
    func guardianState(of name: VMName) -> GuardianState? {
        guard case .success(let state) = guardianAnswer(of: name) else { return nil }
        return state
    }

    /// What the guardian of a VM says, or why it cannot be understood; `nil` when there is none.
    private func guardianAnswer(of name: VMName) -> Result<GuardianState, LivemigError>? {
        do throws(LivemigError) {
            let client = try GuardianClient(connecting: root.machine(name).guardianSocket)
            return .success(
                try client.request(GuardianDescribe(wantsMemory: false), for: GuardianState.self))
        } catch  where error.code == .notRunning || error.code == .disconnected {
            return nil
        } catch {
            return .failure(error)
        }
    }

    /// What is wrong with a guest whose guardian is missing, or cannot be understood.
    private static func unguarded(
        _ name: VMName, _ answer: Result<GuardianState, LivemigError>?
    ) -> LivemigError {
        if case .failure(let error) = answer { return error }
        return LivemigError(
            .vmState, "the guest's guardian has ended, and nobody watches the guest",
            fix: "livemig recover \(name) gives it a new one")
    }

    /// Writes a definition into a VM's folder, which makes the VM visible.
    func write(_ definition: VMDefinition, to folder: MachineFolder) throws(LivemigError) {
        try DocumentFile.replace(
            path: folder.definition, contents: try VMDefinitionDocument.encode(definition))
    }

    /// Makes room for a VM that comes from a peer, in the place of what an earlier visit left.
    ///
    /// The caller holds the VM's slot of incoming moves, so that nobody else receives it.
    /// - Throws: `E-DUPVM` when name or UUID are taken by a VM of this host.
    func admit(_ definition: VMDefinition) throws(LivemigError) {
        let folder = root.machine(definition.name)
        if try isLeftover(of: definition) { folder.removeFilesOfDepartedGuest() }
        guard unsafe access(folder.definition, F_OK) != 0 else {
            throw LivemigError(
                .duplicateVM, "a VM \(definition.name) is here already", at: root.path)
        }
        try refuseDuplicate(of: definition)
        if let record = try Journal.peek(folder.record), record.uuid != definition.uuid {
            try replaceTombstone(record, of: definition, isAsked: false)
        }
        try HostRoot.makeFolder(folder.path)
        try write(definition, to: folder)
    }

    /// Whether only the files of a VM are here that has gone elsewhere or never came: its agent or
    /// its guardian ended before it could remove them.
    private func isLeftover(of definition: VMDefinition) throws(LivemigError) -> Bool {
        let folder = root.machine(definition.name)
        guard let record = try Journal.peek(folder.record), record.right.isDeparted else {
            return false
        }
        return record.uuid == definition.uuid && uuid(of: definition.name) == definition.uuid
            && guardianState(of: definition.name) == nil && OrphanedHypervisor(of: folder) == nil
    }

    /// Removes a VM's folder with all that is in it.
    func removeFiles(of folder: MachineFolder) throws(LivemigError) {
        folder.removeSockets()
        try FolderTree.remove(folder.path)
    }

    private func known() -> String {
        let names = ((try? names()) ?? []).prefix(10).map(\.text).joined(separator: " ")
        return names.isEmpty ? "no VM is defined on this host" : "known: \(names)"
    }
}
