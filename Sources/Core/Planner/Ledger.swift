import MigrationModel

/// The fleet in numbers, kept up to date while guests are placed on paper.
///
/// Hosts are numbered in the order of their names, so that the first of equals is the first by
/// name. Sums are exact, whatever sizes hosts claim.
struct Ledger {
    /// The hosts by number.
    let hosts: [Fleet.Host]
    private(set) var books: [Book]
    /// The host of each guest of the fleet, by number; `nil` for one on no host of the fleet, and
    /// for one that was listed before.
    private(set) var places: [Int?] = []
    private let numbers: [HostName: Int]
    private var affinity: [String: Group] = [:]
    private var antiAffinity: [String: Group] = [:]

    /// What a host has and what is taken of it.
    struct Book {
        /// Memory after the reserve.
        let usable: Int128
        /// Memory that nobody has; below zero on a host that has promised too much.
        var free: Int128
        /// vCPUs that a host is meant for.
        let vcpuCapacity: Int
        /// vCPUs of its guests.
        var vcpus = 0
        /// Whether guests may move here.
        var isOpen: Bool
        /// Whether it is being emptied.
        var isDraining = false
    }

    /// The guests that share a group's name on one host.
    struct Members {
        var all = 0
        var hard = 0

        mutating func count(_ sign: Int, isHard: Bool) {
            all += sign
            if isHard { hard += sign }
        }
    }

    /// The members of a group by host.
    typealias Group = [Int: Members]

    /// As many vCPUs share a processor before a host counts as full.
    static let vcpusPerProcessor = 4
    /// Larger numbers of vCPUs count as this.
    private static let vcpuLimit = 1 << 16

    init(_ fleet: Fleet) {
        var numbers: [HostName: Int] = [:]
        var hosts: [Fleet.Host] = []
        for host in fleet.hosts.sorted(by: { $0.name.text < $1.name.text })
        where numbers[host.name] == nil {
            numbers[host.name] = hosts.count
            hosts.append(host)
        }
        self.hosts = hosts
        self.numbers = numbers
        books = hosts.map(Self.book)
        place(fleet.guests, and: fleet.reservations)
    }

    private mutating func place(_ guests: [Fleet.Guest], and reservations: [Fleet.Reservation]) {
        let moving = Set(reservations.map(\.guest))
        var known = Set<VMUUID>(minimumCapacity: guests.count)
        var loads: [VMUUID: Load] = [:]
        places = Array(repeating: nil, count: guests.count)
        for index in guests.indices where known.insert(guests[index].uuid).inserted {
            let load = Load(guests[index])
            if moving.contains(guests[index].uuid) { loads[guests[index].uuid] = load }
            guard let host = numbers[guests[index].host] else { continue }
            places[index] = host
            if guests[index].holdsMemory { add(load, to: host) }
        }
        for reservation in reservations {
            guard let host = numbers[reservation.host] else { continue }
            var load = loads[reservation.guest] ?? Load()
            load.memory = Int128(reservation.memory.bytes)
            add(load, to: host)
        }
    }

    private static func book(of host: Fleet.Host) -> Book {
        let usable = max(0, Int128(host.memory.bytes) - Int128(host.reserve.bytes))
        return Book(
            usable: usable, free: usable - Int128(host.committed.bytes),
            vcpuCapacity: clamped(host.processors) * vcpusPerProcessor,
            isOpen: !host.isCordoned && host.allowsLiveMigration)
    }

    fileprivate static func clamped(_ vcpus: Int) -> Int { min(max(vcpus, 0), vcpuLimit) }

    /// The number of a host.
    func number(of host: HostName) -> Int? { numbers[host] }

    /// Takes a host out of the choice, since it is to become empty.
    mutating func drain(_ host: Int) {
        books[host].isDraining = true
        books[host].isOpen = false
    }

    mutating func add(_ load: Load, to host: Int) { count(load, at: host, 1) }

    mutating func remove(_ load: Load, from host: Int) { count(load, at: host, -1) }

    private mutating func count(_ load: Load, at host: Int, _ sign: Int) {
        books[host].free -= load.memory * Int128(sign)
        books[host].vcpus += load.vcpus * sign
        if let group = load.affinity {
            affinity[group, default: [:]][host, default: Members()].all += sign
        }
        if let rule = load.antiAffinity {
            antiAffinity[rule.group, default: [:]][host, default: Members()]
                .count(sign, isHard: rule.isHard)
        }
    }

    /// The guests that a guest should be beside or apart from, as they are placed now.
    func surroundings(of request: Request) -> Surroundings {
        let beside = request.affinity.flatMap { affinity[$0] } ?? [:]
        let members = beside.values.reduce(0) { $0 + $1.all }
        return Surroundings(
            beside: beside, isAnyoneElse: members > (request.isPlaced ? 1 : 0),
            apart: request.antiAffinity.flatMap { antiAffinity[$0.group] } ?? [:])
    }

    /// Whether nothing that the fleet knows of speaks against a guest on a host.
    ///
    /// Does not look at where the guest is now.
    func canTake(_ request: Request, at host: Int, _ surroundings: Surroundings) -> Bool {
        books[host].isOpen && books[host].free >= request.memory
            && (request.forbidden.isEmpty || !request.forbidden.contains(host))
            && !surroundings.isHardConflict(request, at: host)
    }
}

/// What a guest is to the host that it is on.
struct Load {
    var memory: Int128 = 0
    var vcpus = 0
    var affinity: String?
    var antiAffinity: PlacementRules.AntiAffinity?
}

extension Load {
    init(_ guest: Fleet.Guest) {
        memory = Int128(guest.memory.bytes)
        vcpus = Ledger.clamped(guest.vcpus)
        affinity = guest.rules.affinity
        antiAffinity = guest.rules.antiAffinity
    }
}

/// What a guest asks of a host.
struct Request {
    let load: Load
    /// Preferred hosts with their rank, from 0.
    let preferred: [Int: Int]
    let forbidden: Set<Int>
    /// What a perfect host gets.
    let most: Shares
    /// Whether the guest itself is among those that are placed.
    let isPlaced: Bool

    init(_ guest: Fleet.Guest, _ ledger: Ledger) {
        let rules = guest.rules
        load = Load(guest)
        preferred = Dictionary(
            rules.preferred.enumerated().compactMap { rank, name in
                ledger.number(of: name).map { ($0, rank) }
            }, uniquingKeysWith: min)
        forbidden = Set(rules.forbidden.compactMap(ledger.number))
        most = Shares(most: rules)
        isPlaced = guest.holdsMemory && ledger.number(of: guest.host) != nil
    }

    var memory: Int128 { load.memory }
    var vcpus: Int { load.vcpus }
    var affinity: String? { load.affinity }
    var antiAffinity: PlacementRules.AntiAffinity? { load.antiAffinity }
}

/// The guests that a guest should be beside or apart from.
struct Surroundings {
    let beside: Ledger.Group
    /// Whether another guest of the affinity group runs anywhere.
    let isAnyoneElse: Bool
    let apart: Ledger.Group

    func isHardConflict(_ request: Request, at host: Int) -> Bool {
        guard !apart.isEmpty, let there = apart[host], there.all > 0 else { return false }
        return request.antiAffinity?.isHard == true || there.hard > 0
    }
}
