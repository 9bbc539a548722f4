public import MigrationModel

/// Puts another guest policy in the place of the one it was made from; answered by
/// `MachineMessage`.
///
/// | field | type |
/// | --- | --- |
/// | name | text, 64: the VM |
/// | base | guest policy: what was read before; refused when it is no longer so |
/// | policy | guest policy: what shall be |
public struct ChangeGuestPolicy: WireMessage, Hashable {
    public static let type = FrameType.changeGuestPolicy
    /// The VM.
    public let name: VMName
    /// What was read before.
    public let base: GuestPolicy
    /// What shall be.
    public let policy: GuestPolicy

    /// States a change.
    public init(name: VMName, base: GuestPolicy, policy: GuestPolicy) {
        self.name = name
        self.base = base
        self.policy = policy
    }

    public func encode(into writer: inout WireWriter) {
        writer.text(name.text)
        writer.guestPolicy(base)
        writer.guestPolicy(policy)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        name = try reader.vmName()
        base = try reader.guestPolicy()
        policy = try reader.guestPolicy()
    }
}

extension WireWriter {
    /// Appends a policy: priority u16, drain action u8, fallback u8 (0 for none), lists of 16
    /// preferred and of 16 forbidden hosts, affinity group?, anti-affinity group? and its flag.
    mutating func guestPolicy(_ policy: GuestPolicy) {
        let rules = policy.placement
        integer(UInt16(clamping: policy.priority.number))
        integer(DrainActionCode(policy.drain.action).rawValue)
        integer(policy.drain.fallback.map { DrainActionCode($0).rawValue } ?? 0)
        list(Array(rules.preferred.prefix(PlacementRules.hostLimit))) { $0.text($1.text) }
        let forbidden = rules.forbidden.map(\.text).sorted()
        list(Array(forbidden.prefix(PlacementRules.hostLimit))) { $0.text($1) }
        optional(rules.affinity) { $0.text($1, limit: WireLimits.word) }
        optional(rules.antiAffinity) { writer, rule in
            writer.text(rule.group, limit: WireLimits.word)
            writer.flag(rule.isHard)
        }
    }
}

extension WireReader {
    /// Takes a policy that `GuestPolicy.check` accepts.
    mutating func guestPolicy() throws(WireError) -> GuestPolicy {
        let number = Int(try integer(UInt16.self))
        guard let priority = try? Priority(number) else { throw .field("priority") }
        let action = try choice(DrainActionCode.self).action
        let code = try integer(UInt8.self)
        let fallback = DrainActionCode(rawValue: code)?.action
        guard code == 0 || fallback != nil else { throw .field("fallback") }
        var rules = PlacementRules()
        rules.preferred = try hosts()
        let forbidden = try hosts()
        // One order only, so that equal policies are equal bytes.
        guard zip(forbidden, forbidden.dropFirst()).allSatisfy({ $0.text < $1.text }) else {
            throw .field("forbidden hosts")
        }
        rules.forbidden = Set(forbidden)
        rules.affinity = try optional { (reader) throws(WireError) in
            try reader.text(limit: WireLimits.word)
        }
        rules.antiAffinity = try optional { (reader) throws(WireError) in
            PlacementRules.AntiAffinity(
                try reader.text(limit: WireLimits.word), isHard: try reader.flag())
        }
        let policy = GuestPolicy(
            priority: priority, drain: DrainPolicy(action, fallback: fallback), placement: rules)
        guard (try? policy.check()) != nil else { throw .field("guest policy") }
        return policy
    }

    private mutating func hosts() throws(WireError) -> [HostName] {
        try list(limit: PlacementRules.hostLimit) { (reader) throws(WireError) in
            let text = try reader.text(limit: WireLimits.word)
            guard let name = try? HostName(text) else { throw .field("host") }
            return name
        }
    }
}

/// What becomes of a guest in a drain, as it is sent.
private enum DrainActionCode: UInt8 {
    case live = 1
    case save = 2
    case stop = 3
    case leave = 4

    init(_ action: DrainPolicy.Action) {
        self =
            switch action {
            case .live: .live
            case .save: .save
            case .stop: .stop
            case .leave: .leave
            }
    }

    var action: DrainPolicy.Action {
        switch self {
        case .live: .live
        case .save: .save
        case .stop: .stop
        case .leave: .leave
        }
    }
}
