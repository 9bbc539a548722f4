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
