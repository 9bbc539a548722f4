import Handoff
import MigrationModel
import Orchestrator

/// VMs of hosts, those that cannot be read, and the hosts that could not be asked.
struct MachinesDocument: Encodable {
    let vms: [MachineDocument]
    let damaged: [DamagedDocument]
    let errors: [ErrorEvent]

    init(_ answers: [HostAnswer<MachineList>]) {
        vms = answers.flatMap { answer in
            (answer.value?.machines ?? []).map { MachineDocument($0, on: answer.host.name) }
        }
        damaged = answers.flatMap { answer in
            (answer.value?.damaged ?? []).map { DamagedDocument($0, on: answer.host.name) }
        }
        errors = answers.compactMap(\.error).map { ErrorEvent($0) }
    }
}

/// A VM that its host cannot read.
struct DamagedDocument: Encodable {
    let name: String
    let uuid: String?
    let host: String
    let code: String
    let message: String
    let place: String
    let fix: String

    init(_ machine: DamagedMachine, on host: HostName) {
        name = machine.name.text
        uuid = machine.uuid?.description
        self.host = host.text
        code = machine.error.code.rawValue
        message = machine.error.what
        place = machine.error.place
        fix = machine.error.fix
    }
}

/// A VM.
struct MachineDocument: Encodable {
    let name: String
    let uuid: String
    let host: String
    let kind: String
    let state: String
    let memoryBytes: UInt64
    let vcpus: Int
    let epoch: UInt64
    let record: String
    let policy: GuestPolicyDocument
    let problem: ProblemDocument?
    var definition: String?

    init(_ machine: MachineSummary, on host: HostName, definition: String? = nil) {
        name = machine.name
        uuid = machine.uuid.description
        self.host = host.text
        kind = machine.kind.rawValue
        state = machine.state.rawValue
        memoryBytes = machine.memory.bytes
        vcpus = machine.vcpus
        epoch = machine.epoch.number
        record = machine.right.word
        policy = GuestPolicyDocument(machine.policy)
        problem = machine.complaint.map(ProblemDocument.init)
        self.definition = definition
    }

    init(_ machine: Machine, withDefinition: Bool = false) {
        self.init(
            machine.summary, on: machine.host,
            definition: withDefinition ? machine.definition : nil)
    }
}

/// What is wrong with a guest, and what to do about it.
struct ProblemDocument: Encodable {
    let code: String
    let message: String
    let fix: String

    init(_ complaint: LivemigError) {
        code = complaint.code.rawValue
        message = complaint.what
        fix = complaint.fix
    }
}

/// Where VMs are, by all hosts' records.
struct StatusDocument: Encodable {
    let vms: [Entry]
    let errors: [ErrorEvent]

    struct Entry: Encodable {
        let name: String
        let uuid: String?
        let host: String
        let state: String
        let memoryBytes: UInt64?
        let epoch: UInt64
        let verdict: String
        let problem: ProblemDocument?
        let records: [Record]
    }

    struct Record: Encodable {
        let host: String
        let reachable: Bool
        var record: String?
        var state: String?
        var epoch: UInt64?
        var peer: String?
        var migration: String?
    }

    init(_ all: [VMLocation], errors: [LivemigError]) {
        vms = all.map { vm in
            Entry(
                name: vm.vm, uuid: vm.summary?.uuid.description, host: vm.guest.host,
                state: vm.guest.state.rawValue, memoryBytes: vm.summary?.memory.bytes,
                epoch: vm.guest.epoch.number, verdict: "\(vm.vm) \(vm.sentence)",
                problem: vm.summary?.complaint.map(ProblemDocument.init),
                records: vm.entries.map(Self.record))
        }
        self.errors = errors.map { ErrorEvent($0) }
    }

    private static func record(_ entry: VMLocation.Entry) -> Record {
        switch entry.view {
        case .record(let record, let state):
            Record(
                host: entry.host.text, reachable: true, record: record.right.word,
                state: state.rawValue, epoch: record.right.epoch.number,
                peer: record.peer.isEmpty ? nil : record.peer,
                migration: record.right.attempt?.migration.description)
        case .absent: Record(host: entry.host.text, reachable: true)
        case .silent(let error):
            Record(host: entry.host.text, reachable: error.code.isOfDamage)
        }
    }
}
