import Glibc
import Guardian
import Hypervisor
import Journal
import LinuxSystem
import MigrationModel
import Ownership
import WireProtocol

/// Carries out the steps of a recovery on this host.
///
/// The VM's guardian does them, a new one where its own has died. Where there is no hypervisor
/// either, only the record is left to put in order.
struct HostRecovery: Sendable {
    let environment: AgentEnvironment

    /// Carries a step out.
    /// - Throws: `E-BUSY` while a move goes on, `E-DUPVM` when this host's VM of the name is another
    ///   one, and why the step is not possible.
    func perform(_ request: RecoverMachine) throws(LivemigError) {
        let found = try MachineStore(root: environment.root).record(of: request.name).record
        guard found == nil || found?.uuid == request.uuid else {
            throw LivemigError(
                .duplicateVM, "VM \(request.name) is another one here",
                at: "UUID \(found?.uuid.description ?? ""), asked for \(request.uuid)",
                fix: "name the host: HOST/\(request.name)")
        }
        let folder = environment.root.machine(request.name)
        let search = GuardianSearch(environment: environment)
        if let guardian = try search.guardian(
            of: request.name, keepStill: request.step == .freeze)
        {
            return try ask(guardian, request.step)
        }
        if found == nil, case .discard = request.step {
            return try refuse(request, at: folder)
        }
        try restOnRecord(folder, request.step)
    }

    /// A host that never heard of an attempt refuses it durably, so that it can never come.
    private func refuse(
        _ request: RecoverMachine, at folder: MachineFolder
    ) throws(LivemigError) {
        try HostRoot.makeFolder(folder.path)
        var journal = try Journal(
            openingOrCreating: folder.record, uuid: request.uuid,
            on: folder.allowsVolatileRecord ? .any : .durable, memories: folder.memories)
        var machine = GuardianMachine(right: journal.record.right, guest: .running)
        for case .record(let right) in try machine.handle(try request.step.eventWithoutGuest()) {
            try journal.write(right)
        }
    }

    private func ask(
        _ guardian: borrowing GuardianClient, _ step: RecoveryStep
    ) throws(LivemigError) {
        switch step {
        case .settle: try guardian.perform(GuardianSettle())
        case .discard(let attempt):
            try guardian.perform(GuardianDiscard(attempt: attempt))
            try waitForEnd(of: guardian)
        case .token(let attempt, let digest):
            _ = try guardian.request(
                GuardianOwn(attempt: attempt, digest: digest, resume: true),
                for: GuardianResumed.self)
        case .reclaim(let attempt): try guardian.perform(GuardianReclaim(attempt: attempt))
        case .finish(let attempt):
            try guardian.perform(GuardianFinish(attempt: attempt))
            try waitForEnd(of: guardian)
        case .overrule(let attempt):
            try guardian.perform(GuardianOverrule(attempt: attempt))
            try waitForEnd(of: guardian)
        case .freeze: try guardian.perform(GuardianFreeze())
        case .seize(let fenced): try guardian.perform(GuardianSeize(fenced: fenced))
        }
    }

    private func waitForEnd(of guardian: borrowing GuardianClient) throws(LivemigError) {
        try GuardianSearch.waitForEnd(of: guardian, at: environment.root.path)
    }

    /// Without a guest, the record alone changes; what is left of a VM that has gone is removed.
    func restOnRecord(
        _ folder: MachineFolder, _ step: RecoveryStep
    ) throws(LivemigError) {
        guard let record = try Journal.peek(folder.record) else {
            throw LivemigError(.noVM, "this host has no record of the VM", at: folder.path)
        }
        var journal = try Journal(
            openingOrCreating: folder.record, uuid: record.uuid, on: .any,
            memories: folder.memories)
        // With the record locked nobody starts the VM any more.
        if let orphan = OrphanedHypervisor(of: folder) { throw orphan.refusal }
        var machine = GuardianMachine(right: journal.record.right, guest: .running)
        for case .record(let right) in try machine.handle(try step.eventWithoutGuest()) {
            try journal.write(right)
        }
        try journal.remember()
        if case .overrule = step { folder.keepOverruledGuest() }
        folder.removeSockets()
        if journal.record.right.isDeparted { folder.removeFilesOfDepartedGuest() }
    }
}
