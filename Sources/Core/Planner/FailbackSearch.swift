import MigrationModel

/// Finds the order of the moves of a way back.
///
/// 1. Whoever fits at home goes home, until nobody does.
/// 2. Then a guest is parked on a host with room, if that lets more guests go home than are parked.
/// 3. Then every order of moves is tried, within a limit.
///
/// As long as moves can be taken back, nothing that the first two have done makes the third fail.
/// Where one cannot, since the host that was left takes no guests, say, the third is done from the
/// start as well.
struct FailbackSearch {
    /// A guest that is not where it should be.
    struct Mover {
        let guest: Fleet.Guest
        let request: Request
        let start: Int
        let home: Int
    }

    /// A guest's move between two hosts.
    struct Move {
        let mover: Int
        let from: Int
        let to: Int
    }

    /// Says whether a host can run a guest; asked about a mover and a host by their numbers.
    typealias Compatibility = (_ mover: Int, _ host: Int) -> Bool

    let movers: [Mover]
    private(set) var ledger: Ledger
    private(set) var places: [Int]
    private(set) var moves: [Move] = []
    /// Movers whose home could take them; the others stay where they are.
    private var active: [Int] = []
    /// Whether every move so far could have been taken back at once.
    private var isReversible = true

    /// Hosts that are tried for parking one guest.
    private static let parkingChoices = 4
    /// Arrangements of guests that are tried before the search is given up.
    private static let arrangementLimit = 20_000
    /// The most guests that the search of all orders moves.
    private static let searchedMovers = 64
    /// Hosts besides those of the movers that are tried in the search of all orders.
    private static let spareHosts = 8

    init(_ movers: [Mover], in ledger: Ledger) {
        self.movers = movers
        self.ledger = ledger
        places = movers.map(\.start)
    }

    private var pending: [Int] { active.filter { places[$0] != movers[$0].home } }

    /// Finds the moves.
    ///
    /// - Returns: whether it is certain that no more guests could be brought back.
    mutating func run(_ compatible: Compatibility) -> Bool {
        active = movers.indices.filter { homeMayTake($0, compatible) }
        goHome(compatible)
        while park(compatible) {}
        if pending.isEmpty { return true }
        let isExhausted = search(compatible)
        if pending.isEmpty || isReversible { return pending.isEmpty || isExhausted }
        return startOver(compatible)
    }

    /// Searches from where the guests are now, since a move that led here cannot be taken back.
    private mutating func startOver(_ compatible: Compatibility) -> Bool {
        let (known, left) = (moves, pending.count)
        takeBack(to: 0)
        let isExhausted = search(compatible)
        if pending.count >= left {
            takeBack(to: 0)
            for move in known { self.move(move.mover, to: move.to, compatible) }
        }
        return pending.isEmpty || isExhausted
    }

    private func canMove(_ mover: Int, to host: Int, _ compatible: Compatibility) -> Bool {
        let request = movers[mover].request
        return host != places[mover]
            && ledger.canTake(request, at: host, ledger.surroundings(of: request))
            && compatible(mover, host)
    }

    private mutating func move(_ mover: Int, to host: Int, _ compatible: Compatibility) {
        let from = places[mover]
        moves.append(Move(mover: mover, from: from, to: host))
        place(mover, at: host)
        if isReversible { isReversible = canMove(mover, to: from, compatible) }
    }

    private mutating func place(_ mover: Int, at host: Int) {
        ledger.remove(movers[mover].request.load, from: places[mover])
        ledger.add(movers[mover].request.load, to: host)
        places[mover] = host
    }

    private mutating func takeBack(to mark: Int) {
        while moves.count > mark, let last = moves.popLast() { place(last.mover, at: last.from) }
    }

    /// Whether a guest's home would take it if it had the room.
    private func homeMayTake(_ mover: Int, _ compatible: Compatibility) -> Bool {
        let (home, request) = (movers[mover].home, movers[mover].request)
        return ledger.books[home].isOpen && !request.forbidden.contains(home)
            && request.memory <= ledger.books[home].usable && compatible(mover, home)
    }

    private mutating func goHome(_ compatible: Compatibility) {
        var isProgress = true
        while isProgress {
            isProgress = false
            for mover in pending where canMove(mover, to: movers[mover].home, compatible) {
                move(mover, to: movers[mover].home, compatible)
                isProgress = true
            }
        }
    }

    /// Parks the smallest guest whose parking brings more guests home than it costs.
    private mutating func park(_ compatible: Compatibility) -> Bool {
        let before = pending.count
        let wanted = Set(pending.map { movers[$0].home })
        let candidates = active.filter { wanted.contains(places[$0]) }
            .sorted { (movers[$0].guest.memory, $0) < (movers[$1].guest.memory, $1) }
        for mover in candidates {
            for host in roomiest(for: mover, compatible) {
                let (mark, wasReversible) = (moves.count, isReversible)
                move(mover, to: host, compatible)
                goHome(compatible)
                if pending.count < before { return true }
                takeBack(to: mark)
                isReversible = wasReversible
            }
        }
        return false
    }

    private func roomiest(for mover: Int, _ compatible: Compatibility) -> ArraySlice<Int> {
        ledger.hosts.indices.filter { host in
            host != movers[mover].home && canMove(mover, to: host, compatible)
        }.sorted { (-ledger.books[$0].free, $0) < (-ledger.books[$1].free, $1) }
            .prefix(Self.parkingChoices)
    }
}

// MARK: All orders

extension FailbackSearch {
    /// Arrangements of guests, each with the move that led to it from an earlier one.
    private struct Arrangements {
        /// The guests that are moved.
        let movers: [Int]
        /// Where each of them is.
        var all: [[Int]]
        var known: Set<[Int]>
        var origins: [(parent: Int, move: Move)?] = [nil]
        /// The first of those with the most guests at home.
        var best = 0
        var mostAtHome: Int

        var isFull: Bool { all.count >= FailbackSearch.arrangementLimit }
        var isSolved: Bool { mostAtHome == movers.count }

        /// The moves that lead to the best.
        var path: [Move] {
            var path: [Move] = []
            var index = best
            while let origin = origins[index] {
                path.append(origin.move)
                index = origin.parent
            }
            return path.reversed()
        }
    }

    /// Tries all orders of moves, breadth first, and makes those that bring the most guests home.
    ///
    /// - Returns: whether all orders were tried.
    private mutating func search(_ compatible: Compatibility) -> Bool {
        let (movers, isEveryMover) = searchedMovers
        let (hosts, isEveryHost) = searchedHosts(for: movers)
        let start = movers.map { places[$0] }
        var tried = Arrangements(
            movers: movers, all: [start], known: [start],
            mostAtHome: movers.count { places[$0] == self.movers[$0].home })
        var next = 0
        while next < tried.all.count, !tried.isFull, !tried.isSolved {
            arrange(movers, as: tried.all[next])
            expand(next, over: hosts, in: &tried, compatible)
            next += 1
        }
        let isExhausted = next == tried.all.count && !tried.isFull
        arrange(movers, as: start)
        for step in tried.path { move(step.mover, to: step.to, compatible) }
        return isExhausted && isEveryMover && isEveryHost
    }

    private func expand(
        _ parent: Int, over hosts: [Int], in tried: inout Arrangements, _ compatible: Compatibility
    ) {
        for (index, mover) in tried.movers.enumerated() {
            for host in hosts where !tried.isFull && canMove(mover, to: host, compatible) {
                var arrangement = tried.all[parent]
                arrangement[index] = host
                guard tried.known.insert(arrangement).inserted else { continue }
                let move = Move(mover: mover, from: places[mover], to: host)
                tried.all.append(arrangement)
                tried.origins.append((parent, move))
                let atHome = zip(tried.movers, arrangement).count { movers[$0].home == $1 }
                if atHome > tried.mostAtHome {
                    (tried.best, tried.mostAtHome) = (tried.all.count - 1, atHome)
                }
            }
        }
    }

    /// Guests that are moved by the search, and whether these are all: of very many, those that
    /// share a host with one that is not home.
    private var searchedMovers: (movers: [Int], isEveryMover: Bool) {
        guard active.count > Self.searchedMovers else { return (active, true) }
        let hosts = Set(pending.flatMap { [places[$0], movers[$0].home] })
        let near = active.filter { hosts.contains(places[$0]) || hosts.contains(movers[$0].home) }
        return (Array(near.prefix(Self.searchedMovers)), false)
    }

    /// Open hosts that guests could be parked on, by number, and whether these are all.
    private func searchedHosts(for searched: [Int]) -> (hosts: [Int], isEveryHost: Bool) {
        let homes = Set(searched.flatMap { [movers[$0].start, movers[$0].home, places[$0]] })
        let others = ledger.hosts.indices.filter { ledger.books[$0].isOpen && !homes.contains($0) }
        let spare = others.sorted { (-ledger.books[$0].free, $0) < (-ledger.books[$1].free, $1) }
            .prefix(Self.spareHosts)
        let hosts = homes.filter { ledger.books[$0].isOpen } + spare
        return (hosts.sorted(), spare.count == others.count)
    }

    private mutating func arrange(_ searched: [Int], as arrangement: [Int]) {
        for (mover, host) in zip(searched, arrangement) where places[mover] != host {
            place(mover, at: host)
        }
    }
}
