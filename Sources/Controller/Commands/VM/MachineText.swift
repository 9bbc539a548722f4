import Handoff
import MigrationModel
import Orchestrator

/// VMs as text.
enum MachineText {
    static func list(_ answers: [HostAnswer<MachineList>]) -> [String] {
        let rows = answers.flatMap { answer in
            (answer.value?.machines ?? []).map { machine in
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
        return TextTable.lines(
            [
                ["name", summary.name], ["uuid", summary.uuid.description],
                ["host", machine.host.text], ["kind", summary.kind.rawValue],
                ["state", summary.state.rawValue], ["memory", summary.memory.description],
                ["vcpus", String(summary.vcpus)], ["epoch", summary.epoch.description],
                ["record", summary.right.word],
            ] + problem(summary))
            + (summary.policy.isDefault ? [] : ["policy"] + GuestPolicyText.lines(summary.policy))
    }

    /// What is wrong with a guest, and what to do.
    private static func problem(_ summary: MachineSummary) -> [[String]] {
        guard let complaint = summary.complaint else { return [] }
        return [["problem", complaint.what]]
            + (complaint.fix.isEmpty ? [] : [["remedy", complaint.fix]])
    }

    /// The line that says what became of a VM.
    static func line(_ machine: Machine) -> String {
        "VM \(machine.summary.name) is \(machine.summary.state.rawValue) on \(machine.host)"
    }

    static func status(_ vms: [VMLocation]) -> [String] {
        vms.flatMap { vm -> [String] in
            let epoch = vm.guest.host.isEmpty ? "" : " (epoch \(vm.guest.epoch))"
            let problem = vm.summary.map { Self.problem($0).map { "  \($0[0]): \($0[1])" } } ?? []
            return ["\(vm.vm) \(vm.sentence)\(epoch)"] + problem
                + TextTable.lines(vm.entries.map { ["  \($0.host)"] + row($0) })
        }
    }

    private static func row(_ entry: VMLocation.Entry) -> [String] {
        switch entry.view {
        case .record(let record, let state):
            [
                record.right.word, entry.machine == nil ? "-" : state.rawValue,
                "epoch \(record.right.epoch)", RecordText.words(record),
            ]
        case .absent: ["-", "not there"]
        case .silent(let error):
            [
                "?",
                "\(error.code.wordsOfHost) (\(error.code.rawValue))",
            ]
        }
    }
}

/// What a record means.
enum RecordText {
    static func words(_ record: OwnershipRecord) -> String {
        let peer = record.peer.isEmpty ? "another host" : record.peer
        return switch record.right {
        case .none: "never had it"
        case .owner: "may run it"
        case .intent: "may run it, moves it to \(peer)"
        case .released: "gave it to \(peer), not confirmed"
        case .gone: "gave it to \(peer)"
        case .armed: "receives it from \(peer)"
        case .ready: "has it whole from \(peer), waits for the right"
        case .aborted: "gave up receiving it from \(peer)"
        }
    }
}
