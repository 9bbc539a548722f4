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
/// The VM's guardian does them where there is one. Where there is none, and no hypervisor either,
/// only the record is left to put in order.
struct HostRecovery: Sendable {
    let environment: AgentEnvironment

    /// How long a guardian that is done may take to end.
    private static let endLimit: Duration = .seconds(10)

    /// Carries a step out.
    /// - Throws: `E-BUSY` while a move goes on, and why the step is not possible.
    func perform(_ request: RecoverMachine) throws(LivemigError) {
        let folder = environment.root.machine(request.name)
        if let guardian = try? GuardianClient(connecting: folder.guardianSocket) {
            return try ask(guardian, request.step)
        }
        try restOnRecord(folder, request.step)
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
        case .freeze: try guardian.perform(GuardianFreeze())
        case .seize(let fenced): try guardian.perform(GuardianSeize(fenced: fenced))
        }
    }

    private func waitForEnd(of guardian: borrowing GuardianClient) throws(LivemigError) {
        let ended = try Poll.wait([.init(guardian.descriptor)], timeout: Self.endLimit)
        guard !ended.isEmpty else {
            throw LivemigError(.cleanup, "the guardian does not end", at: environment.root.path)
        }
    }

    /// Without a guest, the record alone changes.
    private func restOnRecord(
        _ folder: MachineFolder, _ step: RecoveryStep
    ) throws(LivemigError) {
        if let orphan = OrphanedHypervisor(of: folder) { throw orphan.refusal }
        guard let record = try Journal.peek(folder.record) else {
            throw LivemigError(.noVM, "this host has no record of the VM", at: folder.path)
        }
        var journal = try Journal(openingOrCreating: folder.record, uuid: record.uuid)
        var machine = GuardianMachine(right: journal.record.right, guest: .running)
        for case .record(let right) in try machine.handle(try step.eventWithoutGuest()) {
            try journal.write(right)
        }
    }
}
