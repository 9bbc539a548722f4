import MigrationModel
import WireProtocol

extension HostControl {
    /// Finds out what others have made of the guests that a drain did not move, once the host is
    /// empty: moved, stopped or removed by somebody else, they stand in nobody's way.
    ///
    /// What is not known for certain stays the error that it was.
    func settled(
        _ results: [Drain.GuestResult], on empty: EmptyHost
    ) async -> [Drain.GuestResult] {
        guard results.contains(where: \.stayed) else { return results }
        let answers = await machines(on: directory.hosts)
        return results.map { result in
            guard result.stayed, let ending = Self.ending(of: result, on: empty, answers) else {
                return result
            }
            return Drain.GuestResult(guest: result.guest, uuid: result.uuid, ending: ending)
        }
    }

    /// How a guest ended that the drain left where it was, as hosts have answered.
    static func ending(
        of result: Drain.GuestResult, on empty: EmptyHost, _ answers: [HostAnswer<MachineList>]
    ) -> Drain.Ending? {
        guard let uuid = result.uuid else { return nil }
        let owner = answers.first { answer in
            answer.host.name != empty.host
                && answer.value?.machines.contains {
                    $0.uuid == uuid && $0.right.mayRun && !$0.state.isOff
                } ?? false
        }
        if let owner { return .elsewhere(owner.host.name) }
        switch result.error?.code {
        case .notRunning where empty.stopped.contains(result.guest.text): return .stopped
        case .noVM:
            let isGone = answers.allSatisfy { answer in
                answer.value.map { list in
                    !list.machines.contains { $0.uuid == uuid && !$0.right.isDeparted }
                        && list.damaged.isEmpty
                } ?? false
            }
            return isGone ? .removed : nil
        default: return nil
        }
    }
}

extension Drain.GuestResult {
    /// Whether it was left on its host as it was, for a reason that may have passed.
    fileprivate var stayed: Bool {
        switch error?.code.exitCode {
        case .refused, .trust, .failedOnSource, .cancelled, .busy, .notConverged, .resources: true
        default: false
        }
    }
}
