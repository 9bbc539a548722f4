public import MigrationModel
import Ownership
import WireProtocol

/// Where a VM is, decided from what every host's record says of it.
public struct Whereabouts: Hashable, Sendable {
    /// What one host says.
    public enum View: Hashable, Sendable {
        /// Its record, and what the guest does there.
        case record(OwnershipRecord, GuestLocation.State)
        /// The host never had the VM.
        case absent
        /// The host cannot be asked.
        case silent(LivemigError)
    }

    /// A host and what it says.
    public struct Entry: Hashable, Sendable {
        /// The host.
        public let host: HostName
        /// What it says.
        public let view: View
        /// The VM as it is defined there; `nil` where it is not.
        public let machine: MachineSummary?

        /// States an entry.
        public init(host: HostName, view: View, machine: MachineSummary? = nil) {
            self.host = host
            self.view = view
            self.machine = machine
        }

        /// States what a host says of a VM that it has.
        public init(host: HostName, machine: MachineSummary) {
            let record = OwnershipRecord(
                uuid: machine.uuid, right: machine.right, peer: "", time: 0)
            self.init(host: host, view: .record(record, machine.state), machine: machine)
        }
    }

    /// The VM's name.
    public let vm: String
    /// The VM; `nil` where no host has a record of it.
    public let uuid: VMUUID?
    /// Which hosts it is about, and who may run the VM.
    public let parties: Parties
    /// Where it is, as far as the records tell.
    public let guest: GuestLocation
    /// The verdict in words.
    public let sentence: String
    /// Whether the records allow no answer, and why; `nil` where they do.
    public let trouble: LivemigError?
    /// What each host says, in the inventory's order.
    public let entries: [Entry]

    /// Decides, from what hosts say of one VM.
    public init(of vm: String, _ entries: [Entry]) {
        self.vm = vm
        uuid = entries.lazy.compactMap(\.uuid).first
        self.entries = entries
        parties = Parties(entries)
        let words = VerdictWords(vm: vm, entries: entries, parties: parties)
        guest = words.guest
        sentence = words.sentence
        trouble = words.trouble
    }

    /// Tells VMs of one name apart: what hosts say of each.
    ///
    /// What is left of a VM that has gone for good stands in no other's way.
    public static func apart(_ vm: String, _ entries: [Entry]) -> [Whereabouts] {
        var uuids: [VMUUID] = []
        for uuid in entries.compactMap(\.uuid) where !uuids.contains(uuid) { uuids.append(uuid) }
        guard uuids.count > 1 else { return [Whereabouts(of: vm, entries)] }
        let all = uuids.map { uuid in
            Whereabouts(
                of: vm,
                entries.map { entry in
                    guard let other = entry.uuid, other != uuid else { return entry }
                    return Entry(host: entry.host, view: .absent)
                })
        }
        let there = all.filter { !$0.hasGone }
        return there.isEmpty ? [all[0]] : there
    }

    /// Whether nothing but records of a VM is left, and no host is known that may have it.
    private var hasGone: Bool {
        switch parties.verdict {
        case .nowhere: true
        case .sourceMustNotRun:
            parties.source?.view?.right.isDeparted == true && parties.destination?.host == nil
        default: false
        }
    }

    /// The summary of the host that holds the VM, else of any that knows it.
    public var summary: MachineSummary? {
        (entries.first { $0.host.text == guest.host && $0.machine != nil }
            ?? entries.first { $0.machine != nil })?.machine
    }
}

extension HostControl {
    /// Asks hosts about the VMs of one name, and decides where each is.
    public func whereabouts(of name: VMName, on hosts: [HostRecord]) async -> [Whereabouts] {
        let answers = await askAll(hosts) { host async throws(LivemigError) in
            try await talk(to: host) { agent async throws(LivemigError) in
                try await agent.entry(of: name)
            }
        }
        return Whereabouts.apart(
            name.text,
            answers.map { answer in
                switch answer.result {
                case .success(let entry): entry
                case .failure(let error): .init(host: answer.host.name, view: .silent(error))
                }
            })
    }

    /// Asks hosts about one VM, and decides where it is.
    func whereabouts(
        of name: VMName, _ uuid: VMUUID?, on hosts: [HostRecord]
    ) async -> Whereabouts {
        let found = await whereabouts(of: name, on: hosts)
        return found.first { uuid == nil || $0.uuid == uuid } ?? found[0]
    }

    /// Asks all hosts about the VMs that a reference means: all of its name, or the one that the
    /// named host has.
    public func whereabouts(of vm: VMReference) async -> [Whereabouts] {
        let all = await whereabouts(of: vm.name, on: directory.hosts)
        guard let host = vm.host else { return all }
        let meant = all.filter { $0.entries.contains { $0.host == host && $0.uuid != nil } }
        guard meant.isEmpty else { return meant }
        return [Whereabouts(of: vm.name.text, all[0].entries.filter { $0.host == host })]
    }

    /// Asks all hosts about all VMs, ordered by name; VMs of one name with different UUIDs are told
    /// apart.
    /// - Returns: the VMs, and the errors of hosts and VMs that could not be asked or read, as far
    ///   as no VM's trouble tells them.
    public func whereabouts() async -> (vms: [Whereabouts], silent: [LivemigError]) {
        let answers = await machines(on: directory.hosts)
        let damaged = answers.flatMap { $0.value?.damaged ?? [] }
        var order: [VMUUID] = []
        var names: [VMUUID: String] = [:]
        for machine in answers.flatMap({ $0.value?.machines ?? [] })
        where names[machine.uuid] == nil {
            names[machine.uuid] = machine.name
            order.append(machine.uuid)
        }
        var vms: [Whereabouts] = []
        for uuid in order {
            let found = Whereabouts(
                of: names[uuid] ?? "",
                Self.entries(uuid, named: names[uuid] ?? "", answers))
            // Only a host that is asked for the VM itself says what its record names as the peer.
            let isClear = found.trouble == nil && found.parties.steps.count <= 1
            guard !isClear, let name = try? VMName(found.vm) else {
                vms.append(found)
                continue
            }
            vms.append(await whereabouts(of: name, uuid, on: directory.hosts))
        }
        let known = Set(vms.map(\.vm))
        for name in Set(damaged.map(\.name)) where !known.contains(name.text) {
            vms += await whereabouts(of: name, on: directory.hosts)
        }
        let told = Set(vms.compactMap(\.trouble))
        let untold = damaged.filter { !told.contains($0.error) }
        return (
            vms.sorted { $0.vm < $1.vm }, answers.compactMap(\.error) + untold.map(\.complaint)
        )
    }

    private static func entries(
        _ uuid: VMUUID, named name: String, _ answers: [HostAnswer<MachineList>]
    ) -> [Whereabouts.Entry] {
        answers.map { answer in
            let host = answer.host.name
            switch answer.result {
            case .success(let list):
                if let machine = list.machines.first(where: { $0.uuid == uuid }) {
                    return .init(host: host, machine: machine)
                }
                // A host that cannot read the VM cannot say that it never had it.
                let damaged = list.damaged.first { $0.uuid == uuid || $0.name.text == name }
                return .init(host: host, view: damaged.map { .silent($0.error) } ?? .absent)
            case .failure(let error):
                return .init(host: host, view: .silent(error))
            }
        }
    }
}

extension Whereabouts.Entry {
    /// The VM that the host has a record of.
    var uuid: VMUUID? {
        guard case .record(let record, _) = view, record.right != .none || machine != nil else {
            return nil
        }
        return record.uuid
    }
}

extension AgentConnection {
    /// What the host knows of a VM.
    fileprivate func entry(of name: VMName) async throws(LivemigError) -> Whereabouts.Entry {
        let answer = try await request(ShowRecord(name: name), for: RecordMessage.self)
        guard let record = answer.record else { return .init(host: host.name, view: .absent) }
        var machine: MachineSummary?
        do throws(LivemigError) {
            machine = try await show(name).summary
        } catch  where error.code == .noVM {
            machine = nil
        }
        return .init(host: host.name, view: .record(record, answer.state), machine: machine)
    }
}
