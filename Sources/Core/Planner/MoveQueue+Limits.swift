public import MigrationModel

extension MoveQueue {
    /// How many moves there may be at once.
    public struct Limits: Hashable, Sendable {
        /// The limits of hosts.
        public var hosts: [HostName: MoveLimits]
        /// The limits of hosts that are not named.
        public var otherHosts: MoveLimits
        /// The limits of networks by subnet; those that are not named have none.
        public var networks: [String: Int]
        /// Slots that moves of others have at the beginning.
        public var others: [Slot: Int]

        /// States limits.
        public init(
            hosts: [HostName: MoveLimits] = [:], otherHosts: MoveLimits = MoveLimits(),
            networks: [String: Int] = [:], others: [Slot: Int] = [:]
        ) {
            self.hosts = hosts
            self.otherHosts = otherHosts
            self.networks = networks
            self.others = others
        }

        /// The limits that a fleet's hosts state, of a network the smallest that any states, and
        /// the moves under way there.
        public init(of fleet: Fleet) {
            let ofNetworks = fleet.hosts.flatMap(\.networks).compactMap { network in
                network.moves.map { (network.subnet.description, $0) }
            }
            let others: [(Slot, Int)] = fleet.hosts.flatMap { host in
                [(.out(host.name), host.leaving), (.into(host.name), host.coming)]
            }
            self.init(
                hosts: Dictionary(
                    fleet.hosts.map { ($0.name, $0.limits) }, uniquingKeysWith: { old, _ in old }),
                networks: Dictionary(ofNetworks, uniquingKeysWith: min),
                others: Dictionary(others.filter { $0.1 > 0 }, uniquingKeysWith: max))
        }

        func limit(of slot: Slot) -> Int {
            switch slot {
            case .out(let host): (hosts[host] ?? otherHosts).outgoing
            case .into(let host): (hosts[host] ?? otherHosts).incoming
            case .storage(let host): (hosts[host] ?? otherHosts).storage
            case .network(let subnet): networks[subnet].map { max(1, $0) } ?? .max
            }
        }

        /// What is left where moves of others do not end, but for one slot of each kind.
        var besideOthers: Limits {
            var left = self
            left.others = [:]
            for (slot, count) in others {
                switch slot {
                case .out(let host):
                    left.hosts[host, default: otherHosts].outgoing = max(1, limit(of: slot) - count)
                case .into(let host):
                    left.hosts[host, default: otherHosts].incoming = max(1, limit(of: slot) - count)
                case .storage(let host):
                    left.hosts[host, default: otherHosts].storage = max(1, limit(of: slot) - count)
                case .network(let subnet):
                    guard networks[subnet] != nil else { continue }
                    left.networks[subnet] = max(1, limit(of: slot) - count)
                }
            }
            return left
        }
    }

    /// Takes in what a host says of the moves that it has under way, whoever made them.
    ///
    /// A move that was started and has not come to the host yet is missed in the number; a start too
    /// many that comes of it is refused there.
    ///
    /// - Parameters:
    ///   - slot: which slots of the host are meant.
    ///   - moving: how many have one, those of the queue among them.
    ///   - most: how many the host allows.
    /// - Returns: what can be started now.
    public mutating func observed(_ slot: Slot, moving: Int, of most: Int) -> [Action] {
        guard let number = numbers[slot] else { return [] }
        others[number] = max(0, moving - used[number])
        limit[number] = max(1, most)
        return dispatch()
    }
}
