import MigrationModel

/// What a guest's own policy says against a host that somebody names all the same.
extension Preflight {
    private static let advice = "choose another host, or change it with livemig vm policy"

    var forbidden: Finding? {
        guard machine.policy.placement.forbidden.contains(destination.name) else { return nil }
        return Finding(
            .warning(.policy), "the policy of VM \(machine.name) forbids \(destination.name)",
            fix: Self.advice)
    }

    /// One of two guests that must be apart is enough to say so.
    var apart: Finding? {
        guard let rule = machine.policy.placement.antiAffinity else { return nil }
        let others = destination.machines.filter { other in
            guard other.uuid != machine.uuid, !other.state.isOff, !other.right.isDeparted,
                let theirs = other.policy.placement.antiAffinity
            else { return false }
            return theirs.group == rule.group && (rule.isHard || theirs.isHard)
        }
        guard !others.isEmpty else { return nil }
        let names = others.prefix(3).map(\.name).joined(separator: ", ")
        return Finding(
            .warning(.policy),
            "VM \(machine.name) must be apart from guests of group \(rule.group)",
            destination: "\(names)\(others.count > 3 ? " and others" : "") there",
            fix: Self.advice)
    }
}
