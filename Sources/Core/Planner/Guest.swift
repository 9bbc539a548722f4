public import MigrationModel

extension Fleet {
    /// A guest.
    public struct Guest: Hashable, Sendable {
        /// The name on its host.
        public var name: VMName
        /// The identity.
        public var uuid: VMUUID
        /// Where it is.
        public var host: HostName
        /// Guest RAM, and what else it takes on a host.
        public var memory: ByteCount
        /// The number of virtual CPUs.
        public var vcpus: Int
        /// What it does.
        public var state: GuestLocation.State
        /// What goes first.
        public var priority: Priority
        /// What becomes of it when its host is drained.
        public var drain: DrainPolicy
        /// Where it may go, and where it would rather go.
        public var rules: PlacementRules
        /// Why it cannot move live; empty when it can.
        public var obstacles: [LivemigError]

        /// States a guest.
        public init(
            name: VMName, uuid: VMUUID, host: HostName, memory: ByteCount, vcpus: Int = 1,
            state: GuestLocation.State = .running, priority: Priority = .medium,
            drain: DrainPolicy = DrainPolicy(), rules: PlacementRules = PlacementRules(),
            obstacles: [LivemigError] = []
        ) {
            self.name = name
            self.uuid = uuid
            self.host = host
            self.memory = memory
            self.vcpus = vcpus
            self.state = state
            self.priority = priority
            self.drain = drain
            self.rules = rules
            self.obstacles = obstacles
        }

        /// Whether it takes memory on its host.
        public var holdsMemory: Bool { !state.isOff }
    }
}

/// What becomes of a guest when its host is drained.
public struct DrainPolicy: Hashable, Sendable {
    /// What can be done with a guest.
    public enum Action: String, Hashable, Sendable, CaseIterable {
        /// Move it live.
        case live
        /// Save it to a file on its host, to be restored later.
        case save
        /// Shut it down.
        case shutDown = "shut-down"
        /// Leave it running on the host, which is then not empty.
        case leave
    }

    /// What is done.
    public var action: Action
    /// What is done instead of a live move that is not possible; `nil` allows nothing instead.
    public var fallback: Action?

    /// States a policy.
    public init(_ action: Action = .live, fallback: Action? = nil) {
        self.action = action
        self.fallback = fallback
    }
}

/// Where a guest may go, and where it would rather go.
public struct PlacementRules: Hashable, Sendable {
    /// Hosts that are better than others, best first.
    public var preferred: [HostName]
    /// Hosts that it must not be on.
    public var forbidden: Set<HostName>
    /// The group of guests that it should be beside.
    public var affinity: String?
    /// The group of guests that it should not be beside.
    public var antiAffinity: AntiAffinity?

    /// A group of guests that should be on different hosts.
    public struct AntiAffinity: Hashable, Sendable {
        /// The name that the guests share.
        public var group: String
        /// Whether two of them on one host are refused, rather than rated lower.
        ///
        /// It is enough that one of two guests says so.
        public var isHard: Bool

        /// States a group.
        public init(_ group: String, isHard: Bool = false) {
            self.group = group
            self.isHard = isHard
        }
    }

    /// States rules.
    public init(
        preferred: [HostName] = [], forbidden: Set<HostName> = [], affinity: String? = nil,
        antiAffinity: AntiAffinity? = nil
    ) {
        self.preferred = preferred
        self.forbidden = forbidden
        self.affinity = affinity
        self.antiAffinity = antiAffinity
    }
}

extension Fleet.Guest {
    /// The order in which guests are dealt with: priority, then size, then name.
    static func goesFirst(_ left: Fleet.Guest, _ right: Fleet.Guest) -> Bool {
        if left.priority != right.priority { return left.priority > right.priority }
        if left.memory != right.memory { return left.memory > right.memory }
        if left.name != right.name { return left.name.text < right.name.text }
        return (left.uuid.bits.high, left.uuid.bits.low)
            < (right.uuid.bits.high, right.uuid.bits.low)
    }
}
