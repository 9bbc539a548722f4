public import Handoff
public import MigrationModel
import WireProtocol

extension HostControl {
    /// Asks hosts about the VMs of one name, and decides where each is.
    public func locations(of name: VMName, on hosts: [HostRecord]) async -> [VMLocation] {
        let answers = await askAll(hosts) { host async throws(LivemigError) in
            try await talk(to: host) { agent async throws(LivemigError) in
                try await agent.entry(of: name)
            }
        }
        return VMLocation.apart(
            name.text,
            answers.map { answer in
                switch answer.result {
                case .success(let entry): entry
                case .failure(let error): .init(host: answer.host.name, view: .silent(error))
                }
            })
    }

    /// Asks hosts about one VM, and decides where it is.
    func location(
        of name: VMName, _ uuid: VMUUID?, on hosts: [HostRecord]
    ) async -> VMLocation {
        let found = await locations(of: name, on: hosts)
        return found.first { uuid == nil || $0.uuid == uuid } ?? found[0]
    }

    /// Asks all hosts about the VMs that a reference means: all of its name, or the one that the
    /// named host has.
    public func locations(of vm: VMReference) async -> [VMLocation] {
        let all = await locations(of: vm.name, on: directory.hosts)
        guard let host = vm.host else { return all }
        let meant = all.filter { $0.entries.contains { $0.host == host && $0.uuid != nil } }
        guard meant.isEmpty else { return meant }
        return [VMLocation(of: vm.name.text, all[0].entries.filter { $0.host == host })]
    }

    /// Asks all hosts about all VMs, ordered by name; VMs of one name with different UUIDs are told
    /// apart.
    /// - Returns: the VMs, and the errors of hosts and VMs that could not be asked or read, as far
    ///   as no VM's trouble tells them.
    public func locations() async -> (vms: [VMLocation], silent: [LivemigError]) {
        let answers = await machines(on: directory.hosts)
        let damaged = answers.flatMap { $0.value?.damaged ?? [] }
        var order: [VMUUID] = []
        var names: [VMUUID: String] = [:]
        for machine in answers.flatMap({ $0.value?.machines ?? [] })
        where names[machine.uuid] == nil {
            names[machine.uuid] = machine.name
            order.append(machine.uuid)
        }
        var vms: [VMLocation] = []
        for uuid in order {
            let found = VMLocation(
                of: names[uuid] ?? "",
                Self.entries(uuid, named: names[uuid] ?? "", answers))
            // Only a host that is asked for the VM itself says what its record names as the peer.
            let isClear = found.trouble == nil && found.pair.steps.count <= 1
            guard !isClear, let name = try? VMName(found.vm) else {
                vms.append(found)
                continue
            }
            vms.append(await location(of: name, uuid, on: directory.hosts))
        }
        let known = Set(vms.map(\.vm))
        for name in Set(damaged.map(\.name)) where !known.contains(name.text) {
            vms += await locations(of: name, on: directory.hosts)
        }
        let told = Set(vms.compactMap(\.trouble))
        let untold = damaged.filter { !told.contains($0.error) }
        return (
            vms.sorted { $0.vm < $1.vm }, answers.compactMap(\.error) + untold.map(\.complaint)
        )
    }

    private static func entries(
        _ uuid: VMUUID, named name: String, _ answers: [HostAnswer<MachineList>]
    ) -> [VMLocation.Entry] {
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

extension AgentConnection {
    /// What the host knows of a VM.
    fileprivate func entry(of name: VMName) async throws(LivemigError) -> VMLocation.Entry {
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
