public import MigrationModel
public import Planner

extension HostControl {
    /// Chooses the host that suits a VM best; changes nothing.
    ///
    /// - Parameters:
    ///   - vm: the VM.
    ///   - source: where it is; `nil` looks for it on every host.
    ///   - template: how the move would behave.
    ///   - note: told what is being done, for a live line.
    /// - Throws: as `VMSearch.find`; `E-NOTARGET` with the reasons when no host can take it.
    public func bestDestination(
        of vm: VMReference, from source: HostName?, template: MoveTemplate,
        note: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws(LivemigError) -> Placement.Candidate {
        let named = vm.host ?? source
        if let named { _ = try directory.host(named) }
        let survey = await FleetSurvey.make(self)
        let answers = survey.answers(directory).filter { named == nil || $0.host.name == named }
        let found = try VMSearch.find(vm.name, in: answers)
        let fleet = survey.fleet()
        guard fleet.guests.contains(where: { $0.uuid == found.machine.uuid }) else {
            throw LivemigError(
                .vmState, "VM \(vm.name) cannot be moved as it is",
                at: answers[found.index].host.name.text,
                fix: "livemig status \(vm.name)")
        }
        let rules = survey.compatibility(keepsPaused: template.policy.keepPaused)
        let choice = try await PairInspections.settle(survey, self, template, note) {
            findings throws(LivemigError) in
            try Choice(
                of: found.machine.uuid, in: findings.applied(to: fleet),
                findings.joined(with: rules))
        } moves: {
            [$0.move]
        }
        return choice.candidate
    }
}

extension FleetSurvey {
    /// What every host answered when asked for its VMs.
    fileprivate func answers(_ directory: HostDirectory) -> [HostAnswer<MachineList>] {
        directory.hosts.compactMap { host in
            if let member = members.first(where: { $0.side.host.name == host.name }) {
                return HostAnswer(host, .success(member.side.list))
            }
            return silent[host.name].map { HostAnswer(host, .failure($0)) }
        }
    }
}

/// A guest and the host that suits it best.
private struct Choice {
    let candidate: Placement.Candidate
    let move: MoveQueue.Move

    /// - Throws: what keeps the guest from moving at all; `E-NOTARGET`.
    init(
        of uuid: VMUUID, in fleet: Fleet, _ compatibility: Placement.Compatibility
    ) throws(LivemigError) {
        guard let guest = fleet.guests.first(where: { $0.uuid == uuid }) else {
            throw LivemigError(.internal, "the guest is not of the fleet")
        }
        if let obstacle = guest.obstacles.first { throw obstacle }
        candidate = try Placement(of: guest, in: fleet, compatibility: compatibility).choose()
        move = MoveQueue.Move(
            guest: guest.name, uuid: uuid, from: guest.host, to: candidate.host)
    }
}
