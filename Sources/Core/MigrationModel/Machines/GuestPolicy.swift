/// What operators want of a guest when hosts are planned; part of its definition.
public struct GuestPolicy: Hashable, Sendable {
    /// What goes first.
    public var priority: Priority
    /// What becomes of it when its host is drained.
    public var drain: DrainPolicy
    /// Where it may go, and where it would rather go.
    public var placement: PlacementRules

    /// States a policy.
    public init(
        priority: Priority = .medium, drain: DrainPolicy = DrainPolicy(),
        placement: PlacementRules = PlacementRules()
    ) {
        self.priority = priority
        self.drain = drain
        self.placement = placement
    }

    /// Whether it says nothing but what holds for every guest.
    public var isDefault: Bool { self == GuestPolicy() }

    /// Checks what types do not say.
    /// - Throws: `E-RANGE` for too many hosts, `E-USAGE` for what contradicts itself or is no name.
    public func check() throws(LivemigError) {
        guard drain.action == .live || drain.fallback == nil, drain.fallback != .live else {
            throw LivemigError(
                .usage, "a fallback is for guests that are to move live",
                fix: "leave the fallback out, or drain the guest live")
        }
        try placement.check()
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
        /// Power it off.
        case stop
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

    /// The most hosts that are preferred, and that are forbidden, by one guest.
    public static let hostLimit = 16

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

    /// Checks what types do not say.
    /// - Throws: `E-RANGE` for too many hosts, `E-USAGE` for what contradicts itself or is no name.
    public func check() throws(LivemigError) {
        for (hosts, what) in [(preferred.count, "preferred"), (forbidden.count, "forbidden")] {
            guard hosts <= Self.hostLimit else {
                throw LivemigError(
                    .range, "\(hosts) hosts are \(what), at most \(Self.hostLimit) can be")
            }
        }
        var seen: Set<HostName> = []
        for host in preferred {
            guard seen.insert(host).inserted else {
                throw LivemigError(.usage, "host \(host) is preferred twice")
            }
            guard !forbidden.contains(host) else {
                throw LivemigError(.usage, "host \(host) is both preferred and forbidden")
            }
        }
        for group in [affinity, antiAffinity?.group].compactMap(\.self) {
            try Self.check(group: group)
        }
    }

    /// Checks the name of a group: 1–64 of `A–Z a–z 0–9 . _ -`.
    /// - Throws: `E-USAGE`.
    public static func check(group: String) throws(LivemigError) {
        guard group.isPlainName(limit: 64) else {
            throw LivemigError(
                .usage, "illegal group \(group.escaped())",
                fix: "use 1–64 of A–Z a–z 0–9 . _ - and start with a letter or digit")
        }
    }
}
