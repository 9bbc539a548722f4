import MigrationModel
import Orchestrator

/// VMs as text.
enum MachineText {
    static func list(_ answers: [HostAnswer<[MachineSummary]>]) -> [String] {
        let rows = answers.flatMap { answer in
            (answer.value ?? []).map { machine in
                [
                    machine.name, answer.host.name.text, machine.state.rawValue,
                    machine.memory.description, String(machine.vcpus), machine.epoch.description,
                ]
            }
        }
        guard !rows.isEmpty else { return [] }
        return TextTable.lines([["NAME", "HOST", "STATE", "MEMORY", "VCPUS", "EPOCH"]] + rows)
    }

    static func show(_ machine: Machine) -> [String] {
        let summary = machine.summary
        return TextTable.lines([
            ["name", summary.name], ["uuid", summary.uuid.description],
            ["host", machine.host.text], ["kind", summary.kind.rawValue],
            ["state", summary.state.rawValue], ["memory", summary.memory.description],
            ["vcpus", String(summary.vcpus)], ["epoch", summary.epoch.description],
            ["record", summary.right.word],
        ])
    }

    /// The line that says what became of a VM.
    static func line(_ machine: Machine) -> String {
        "VM \(machine.summary.name) is \(machine.summary.state.rawValue) on \(machine.host)"
    }

    static func status(_ vms: [Whereabouts]) -> [String] {
        vms.flatMap { vm -> [String] in
            let epoch = vm.guest.host.isEmpty ? "" : " (epoch \(vm.guest.epoch))"
            return ["\(vm.vm) \(vm.sentence)\(epoch)"]
                + TextTable.lines(vm.entries.map { ["  \($0.host)"] + row($0.view) })
        }
    }

    private static func row(_ view: Whereabouts.View) -> [String] {
        switch view {
        case .machine(let machine):
            [machine.right.word, machine.state.rawValue, "epoch \(machine.epoch)"]
        case .absent: ["-", "not there"]
        case .silent(let error): ["?", "not reachable (\(error.code.rawValue))"]
        }
    }
}
