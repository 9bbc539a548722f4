import MigrationModel
import Preflight

/// What processors have in common, as text.
enum BaselineText {
    /// How many features of a host are named.
    private static let namedFeatures = 8

    static func lines(_ baseline: CPUBaseline) -> [String] {
        let groups = baseline.groups.flatMap { group in
            ["\(group.architecture) \(group.vendor): \(group.common.count) features in common"]
                + TextTable.lines(
                    group.hosts.map { ["  \($0.name)", $0.cpu.model, words($0.surplus)] })
        }
        return groups + [verdict(baseline)]
    }

    private static func words(_ surplus: [String]) -> String {
        guard !surplus.isEmpty else { return "nothing more" }
        let rest = surplus.count - namedFeatures
        return "also " + surplus.prefix(namedFeatures).joined(separator: " ")
            + (rest > 0 ? " and \(rest) more" : "")
    }

    private static func verdict(_ baseline: CPUBaseline) -> String {
        if baseline.groups.count > 1 {
            return "Guests that use KVM cannot move between processors of different makers."
        }
        return baseline.isUniform
            ? "Guests of every CPU model can move between all of them."
            : "Guests of CPU model host can move to hosts that have as much; name a CPU model that "
                + "all have."
    }
}

/// What processors have in common, in JSON.
struct BaselineDocument: Encodable {
    let groups: [Group]
    let uniform: Bool
    let errors: [ErrorEvent]

    struct Group: Encodable {
        let architecture: String
        let vendor: String
        let common: [String]
        let hosts: [Host]
    }

    struct Host: Encodable {
        let name: String
        let model: String
        let surplus: [String]
    }

    init(_ baseline: CPUBaseline, _ failures: [LivemigError]) {
        uniform = baseline.isUniform
        errors = failures.map { ErrorEvent($0) }
        groups = baseline.groups.map { group in
            Group(
                architecture: group.architecture, vendor: group.vendor, common: group.common,
                hosts: group.hosts.map {
                    Host(name: $0.name.text, model: $0.cpu.model, surplus: $0.surplus)
                })
        }
    }
}
