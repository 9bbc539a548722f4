public import MigrationModel
public import Planner
import Preflight

/// All hosts of the inventory as they are now, as far as they answer.
public struct FleetSurvey: Sendable {
    /// A host that answered.
    struct Member: Sendable {
        let side: MoveSide
        let settings: HostSettings
    }

    let members: [Member]
    /// Hosts that did not answer, and why.
    public let silent: [HostName: LivemigError]

    /// Asks all hosts.
    static func make(_ control: HostControl) async -> FleetSurvey {
        let answers = await askAll(control.directory.hosts) { host async throws(LivemigError) in
            let reached = try await MoveSurvey.reach(host, control)
            do throws(LivemigError) {
                let settings = try await reached.agent.settings()
                await control.release(reached.agent)
                return Member(side: reached.side, settings: settings)
            } catch {
                await reached.agent.close()
                throw error
            }
        }
        return FleetSurvey(
            members: answers.compactMap { answer in answer.value },
            silent: Dictionary(
                answers.compactMap { answer in answer.error.map { (answer.host.name, $0) } },
                uniquingKeysWith: { first, _ in first }))
    }

    /// A host that answered.
    /// - Throws: the host's own error when it did not answer, `E-NOHOST` for an unknown one.
    func member(_ name: HostName, _ directory: HostDirectory) throws(LivemigError) -> Member {
        if let member = members.first(where: { $0.side.host.name == name }) { return member }
        _ = try directory.host(name)
        throw silent[name] ?? LivemigError(.connect, "the host does not answer", at: name.text)
    }

    /// The hosts and guests as the planner sees them.
    ///
    /// - Parameter describe: what an operator wants of a guest.
    public func fleet(_ describe: (inout Fleet.Guest) -> Void = { _ in }) -> Fleet {
        let disputed = disputed
        var guests: [VMUUID: Fleet.Guest] = [:]
        var reservations: [Fleet.Reservation] = []
        for member in members {
            for machine in member.side.machines {
                if machine.right.isCopyWaiting {
                    reservations.append(
                        Fleet.Reservation(
                            guest: machine.uuid, host: member.side.host.name,
                            memory: machine.memory))
                }
                guard let guest = member.guest(machine), !machine.right.isCopyWaiting,
                    disputed[machine.uuid] == nil
                else { continue }
                // A host that may run the guest knows more of it than one that has given it away.
                if guests[machine.uuid] == nil || machine.right.mayRun {
                    guests[machine.uuid] = guest
                }
            }
        }
        let described = guests.values.map { guest in
            var guest = guest
            describe(&guest)
            return guest
        }
        return Fleet(
            hosts: members.map(\.planned),
            guests: described.sorted {
                ($0.uuid.bits.high, $0.uuid.bits.low)
                    < ($1.uuid.bits.high, $1.uuid.bits.low)
            },
            reservations: reservations,
            damaged: Dictionary(
                members.map { member in
                    let unclear = member.side.machines.compactMap { machine in
                        machine.right.mayRun ? disputed[machine.uuid]?.machine(machine) : nil
                    }
                    return (member.side.host.name, member.side.damaged + unclear)
                },
                uniquingKeysWith: { first, _ in first }))
    }

    /// Guests that more than one host owns, which no plan can place: either may be wrong.
    private var disputed: [VMUUID: Dispute] {
        var owners: [VMUUID: [HostName]] = [:]
        for member in members {
            for machine in member.side.machines where machine.right.mayRun {
                owners[machine.uuid, default: []].append(member.side.host.name)
            }
        }
        return owners.filter { $0.value.count > 1 }.mapValues { Dispute(owners: $0) }
    }

    /// Several hosts that say they own one guest.
    private struct Dispute {
        let owners: [HostName]

        func machine(_ machine: MachineSummary) -> DamagedMachine? {
            guard let name = try? VMName(machine.name) else { return nil }
            let hosts = owners.map(\.text)
            return DamagedMachine(
                name: name, uuid: machine.uuid,
                error: LivemigError(
                    .inTransfer, "VM \(name) is owned by \(hosts.joined(separator: " and by "))",
                    at: hosts.joined(separator: ", "),
                    fix: "run livemig recover \(name), which says which of them counts"))
        }
    }

    /// Moves, each with the network that its page data will take, by the rule of the moves
    /// themselves.
    ///
    /// Where the inventory's addresses serve, it is the narrowest network that any host lists and
    /// that the destination's address is in; a name is not looked up for that.
    /// - Parameter path: how page data goes.
    func routed(_ moves: [MoveQueue.Move], by path: MigrationPolicy.Path) -> [MoveQueue.Move] {
        let known = Dictionary(
            members.map { ($0.side.host.name, $0) }, uniquingKeysWith: { first, _ in first })
        let listed = members.flatMap(\.settings.policy.networks).map(\.subnet)
        return moves.map { move in
            var move = move
            guard let source = known[move.from], let destination = known[move.to] else {
                return move
            }
            var network: Subnet?
            if path == .direct {
                network = (try? LaneRoute.best(from: source.route, to: destination.route))?.network
            }
            if network == nil, let address = IPAddress(destination.side.host.address) {
                network = listed.filter { $0.contains(address) }.max { $0.prefix < $1.prefix }
            }
            move.network = network?.description
            return move
        }
    }

    /// Says whether a host can run a guest, by the rules that ask no host.
    func compatibility(
        keepsPaused: Bool
    ) -> (Fleet.Guest, Fleet.Host) -> LivemigError? {
        let known = Dictionary(
            members.map { ($0.side.host.name, $0) }, uniquingKeysWith: { first, _ in first })
        return { guest, host in
            guard let source = known[guest.host], let destination = known[host.name],
                let machine = try? source.side.machine(guest.name)
            else { return nil }
            return source.refusal(of: destination)
                ?? source.side.obstacle(
                    to: machine, on: destination.side, keepsPaused: keepsPaused)
        }
    }
}

extension FleetSurvey.Member {
    /// The host as the choice of a route sees it.
    fileprivate var route: LaneRoute.Side {
        LaneRoute.Side(
            name: side.host.name, networks: side.host.migrationNetworks, settings: settings)
    }

    /// The host as the planner sees it.
    fileprivate var planned: Fleet.Host {
        let facts = side.facts
        let policy = settings.policy
        let ofGuests = side.machines.filter { !$0.state.isOff }
            .reduce(UInt64(0)) { $0.addingReportingOverflow($1.memory.bytes).partialValue }
        let taken =
            facts.memoryTotal.bytes
            - min(
                facts.memoryAvailable.bytes, facts.memoryTotal.bytes)
        return Fleet.Host(
            name: side.host.name, memory: facts.memoryTotal, reserve: settings.memoryReserve,
            committed: ByteCount(taken - min(taken, ofGuests)), processors: facts.processors,
            isCordoned: policy.maintenance.isCordoned,
            allowsLiveMigration: policy.isLiveMigrationEnabled,
            limits: MoveLimits(
                outgoing: policy.liveMoves, incoming: policy.liveMoves,
                storage: policy.storageMoves),
            leaving: settings.outgoing, coming: settings.incoming, networks: policy.networks)
    }

    /// Why one of the policies does not let guests go to a host.
    fileprivate func refusal(of destination: Self) -> LivemigError? {
        let (here, there) = (side.host.name.text, destination.side.host.name.text)
        do throws(LivemigError) {
            try settings.policy.admit(peer: there, at: here)
            try destination.settings.policy.admit(peer: here, at: there)
            return nil
        } catch {
            return error
        }
    }

    /// A VM as the planner sees it; `nil` for what has gone or has no name to move by.
    fileprivate func guest(_ machine: MachineSummary) -> Fleet.Guest? {
        guard !machine.right.isDeparted, let name = try? VMName(machine.name) else { return nil }
        return Fleet.Guest(
            name: name, uuid: machine.uuid, host: side.host.name, memory: machine.memory,
            vcpus: machine.vcpus, state: machine.state, priority: machine.policy.priority,
            drain: machine.policy.drain, rules: machine.policy.placement)
    }
}

extension MoveSide {
    /// The first thing that speaks against a move from here, but for room, which plans reckon with
    /// themselves.
    fileprivate func obstacle(
        to machine: MachineSummary, on destination: MoveSide, keepsPaused: Bool
    ) -> LivemigError? {
        Preflight(
            moving: machine, from: preflight, to: destination.preflight, keepsPaused: keepsPaused
        ).findings.lazy.compactMap(\.error).first { $0.code != .memory }
    }
}
