public import MigrationModel

/// Hosts and guests as the planner sees them: what is where, and what may go where.
///
/// A value that is filled from what hosts have said; the planner asks nobody.
public struct Fleet: Hashable, Sendable {
    /// The hosts, by whose names they are told apart.
    public var hosts: [Host]
    /// The guests, by whose UUIDs they are told apart.
    public var guests: [Guest]
    /// What moves in flight will take on their destinations.
    public var reservations: [Reservation]
    /// VMs that their hosts cannot read, which nobody can plan for.
    public var damaged: [HostName: [DamagedMachine]]

    /// States a fleet.
    public init(
        hosts: [Host], guests: [Guest], reservations: [Reservation] = [],
        damaged: [HostName: [DamagedMachine]] = [:]
    ) {
        self.hosts = hosts
        self.guests = guests
        self.reservations = reservations
        self.damaged = damaged
    }

    /// A host.
    public struct Host: Hashable, Sendable {
        /// The name in the inventory.
        public var name: HostName
        /// All memory.
        public var memory: ByteCount
        /// Memory that guests never get.
        public var reserve: ByteCount
        /// Memory that is taken by other things than guests of the fleet.
        public var committed: ByteCount
        /// The number of processors.
        public var processors: Int
        /// Whether no guest may move here.
        public var isCordoned: Bool
        /// Whether the host takes part in live migrations at all.
        public var allowsLiveMigration: Bool
        /// How many moves it takes part in at once.
        public var limits: MoveLimits
        /// Moves away from it that are under way.
        public var leaving: Int
        /// Moves to it that are under way.
        public var coming: Int
        /// Its networks for migration traffic, and how many moves may use each at a time.
        public var networks: [MigrationNetwork]

        /// States a host.
        public init(
            name: HostName, memory: ByteCount, reserve: ByteCount = ByteCount(0),
            committed: ByteCount = ByteCount(0), processors: Int, isCordoned: Bool = false,
            allowsLiveMigration: Bool = true, limits: MoveLimits = MoveLimits(),
            leaving: Int = 0, coming: Int = 0, networks: [MigrationNetwork] = []
        ) {
            self.name = name
            self.memory = memory
            self.reserve = reserve
            self.committed = committed
            self.processors = processors
            self.isCordoned = isCordoned
            self.allowsLiveMigration = allowsLiveMigration
            self.limits = limits
            self.leaving = leaving
            self.coming = coming
            self.networks = networks
        }
    }

    /// Memory that a move in flight will take on its destination.
    public struct Reservation: Hashable, Sendable {
        /// The guest that moves.
        public var guest: VMUUID
        /// The destination.
        public var host: HostName
        /// What the guest will need there.
        public var memory: ByteCount

        /// States a reservation.
        public init(guest: VMUUID, host: HostName, memory: ByteCount) {
            self.guest = guest
            self.host = host
            self.memory = memory
        }
    }
}

/// How many moves a host takes part in at once; the defaults are those of Hyper-V.
public struct MoveLimits: Hashable, Sendable {
    /// Moves away from the host that leave disks where they are.
    public var outgoing: Int
    /// Moves to the host that leave disks where they are.
    public var incoming: Int
    /// Moves from or to the host that take their disks along.
    public var storage: Int

    /// States limits; each is at least 1, for a host without moves has live migration disabled.
    public init(outgoing: Int = 2, incoming: Int = 2, storage: Int = 2) {
        self.outgoing = max(1, outgoing)
        self.incoming = max(1, incoming)
        self.storage = max(1, storage)
    }
}
