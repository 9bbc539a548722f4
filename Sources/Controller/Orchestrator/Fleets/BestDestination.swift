public import MigrationModel
public import Planner

extension HostControl {
    /// Chooses the host that suits a VM best; changes nothing.
    ///
    /// - Parameters:
    ///   - vm: the VM.
    ///   - source: where it is; `nil` looks for it on every host.
    ///   - keepsPaused: whether a guest that is paused may move.
    /// - Throws: as `VMSearch.find`; `E-NOTARGET` with the reasons when no host can take it.
    public func bestDestination(
        of vm: VMReference, from source: HostName?, keepsPaused: Bool
    ) async throws(LivemigError) -> Placement.Candidate {
        let named = vm.host ?? source
        if let named { _ = try directory.host(named) }
        let survey = await FleetSurvey.make(self)
        let answers = survey.answers(directory).filter { named == nil || $0.host.name == named }
        let found = try VMSearch.find(vm.name, in: answers)
        let fleet = survey.fleet()
        guard let guest = fleet.guests.first(where: { $0.uuid == found.machine.uuid }) else {
            throw LivemigError(
                .vmState, "VM \(vm.name) cannot be moved as it is",
                at: answers[found.index].host.name.text,
                fix: "livemig status \(vm.name)")
        }
        return try Placement(
            of: guest, in: fleet, compatibility: survey.compatibility(keepsPaused: keepsPaused)
        ).choose()
    }
}

extension FleetSurvey {
    /// What every host answered when asked for its VMs.
    fileprivate func answers(_ directory: HostDirectory) -> [HostAnswer<[MachineSummary]>] {
        directory.hosts.compactMap { host in
            if let member = members.first(where: { $0.side.host.name == host.name }) {
                return HostAnswer(host, .success(member.side.machines))
            }
            return silent[host.name].map { HostAnswer(host, .failure($0)) }
        }
    }
}
