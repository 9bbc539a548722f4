import MigrationModel

extension FailbackSearch {
    private var stranded: [Int] { movers.indices.filter { places[$0] != movers[$0].home } }

    /// Why guests are not home.
    func blockages(_ compatibility: Placement.Compatibility) -> [FailbackPlan.Blockage] {
        stranded.map { mover in
            let guest = movers[mover].guest
            return FailbackPlan.Blockage(
                guest: guest, host: ledger.hosts[places[mover]].name,
                home: ledger.hosts[movers[mover].home].name,
                reason: reason(mover, compatibility))
        }
    }

    private func reason(
        _ mover: Int, _ compatibility: Placement.Compatibility
    ) -> FailbackPlan.Reason {
        let (guest, home, request) =
            (movers[mover].guest, movers[mover].home, movers[mover].request)
        let surroundings = ledger.surroundings(of: request)
        var lasting: [Refusal] = []
        var passing: FailbackPlan.Reason?
        let holders = stranded.filter { places[$0] == home }
        let refusals = ledger.refusals(request, of: guest, at: home, surroundings, compatibility)
        for refusal in refusals {
            switch refusal {
            case .memory(let needed, let free):
                let names = holders.map { movers[$0].guest.name }
                passing = .room(needed: needed, free: free, heldBy: names)
            case .antiAffinity(let group, _):
                let members = holders.map { movers[$0].guest }
                    .filter { $0.rules.antiAffinity?.group == group }
                if members.isEmpty { lasting.append(refusal) }
                passing = passing ?? .apart(from: members.map(\.name))
            default: lasting.append(refusal)
            }
        }
        return lasting.isEmpty ? passing ?? .refused(refusals) : .refused(lasting)
    }

    /// The moves with what each has to wait for.
    func steps(from ledger: Ledger) -> [FailbackPlan.Step] {
        var traffic = Traffic(hosts: ledger.hosts.count, movers: movers.count)
        return moves.indices.map { index in
            let move = moves[index]
            let mover = movers[move.mover]
            let after = predecessors(of: move, from: ledger, traffic)
            traffic.arrived[move.to] += mover.request.memory
            traffic.departures[move.from].append(index)
            traffic.steps[move.mover].append(index)
            return FailbackPlan.Step(
                guest: mover.guest, from: ledger.hosts[move.from].name,
                to: ledger.hosts[move.to].name, isDetour: move.to != mover.home, after: after)
        }
    }

    /// The moves before one.
    private struct Traffic {
        /// Memory that has come to each host.
        var arrived: [Int128]
        /// Moves away from each host.
        var departures: [[Int]]
        /// Moves of each guest.
        var steps: [[Int]]

        init(hosts: Int, movers: Int) {
            arrived = Array(repeating: 0, count: hosts)
            departures = Array(repeating: [], count: hosts)
            steps = Array(repeating: [], count: movers)
        }
    }

    /// The fewest earlier moves that make the room that a move needs, even if all moves before it
    /// have taken theirs already.
    private func predecessors(
        of move: Move, from ledger: Ledger, _ traffic: Traffic
    ) -> [Int] {
        let request = movers[move.mover].request
        var missing = request.memory + traffic.arrived[move.to] - ledger.books[move.to].free
        var steps = Set(traffic.steps[move.mover])
        for earlier in traffic.departures[move.to] {
            let other = movers[moves[earlier].mover].request
            if missing > 0 {
                missing -= other.memory
                steps.insert(earlier)
            } else if let group = request.antiAffinity?.group, other.antiAffinity?.group == group {
                steps.insert(earlier)
            }
        }
        return steps.sorted()
    }
}
