public import MigrationModel

/// What a host says about itself; the fields of `HostFacts` in order, text, integers and flags.
public struct HostFactsMessage: WireMessage, Hashable {
    public static let type = FrameType.hostFacts
    /// The facts.
    public let facts: HostFacts

    /// Wraps facts.
    public init(_ facts: HostFacts) { self.facts = facts }

    public func encode(into writer: inout WireWriter) {
        writer.text(facts.identity)
        writer.text(facts.installation.machineID)
        writer.text(facts.installation.boot)
        writer.integer(facts.installation.device)
        writer.integer(facts.installation.inode)
        writer.text(facts.kernel)
        writer.text(facts.agentVersion)
        writer.text(facts.architecture)
        writer.integer(UInt32(clamping: facts.processors))
        writer.integer(facts.memoryTotal.bytes)
        writer.integer(facts.memoryAvailable.bytes)
        writer.integer(facts.hugePages.pool.bytes)
        writer.integer(facts.hugePages.free.bytes)
        writer.text(facts.hugePages.sharing.rawValue, limit: WireLimits.word)
        writer.text(facts.tracking)
        writer.flag(facts.canTrack)
        writer.text(facts.hypervisor)
        writer.flag(facts.hasKVM)
        writer.text(facts.cpu.vendor)
        writer.text(facts.cpu.model)
        writer.list(facts.cpu.features.sorted()) { $0.text($1, limit: WireLimits.word) }
        writer.integer(facts.clock)
        writer.list(facts.laneKeys) { $0.text($1) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        facts = HostFacts(
            identity: try reader.text(), installation: try reader.installation(),
            kernel: try reader.text(),
            agentVersion: try reader.text(), architecture: try reader.text(),
            processors: Int(try reader.integer(UInt32.self)),
            memoryTotal: ByteCount(try reader.integer()),
            memoryAvailable: ByteCount(try reader.integer()), hugePages: try reader.hugePages(),
            tracking: try reader.text(), canTrack: try reader.flag(), hypervisor: try reader.text(),
            hasKVM: try reader.flag(), cpu: try reader.cpu(), clock: try reader.integer(),
            laneKeys: try reader.names())
    }
}

/// All VMs of a host: at most 2,000 summaries, and at most 128 VMs that it cannot read.
public struct MachineListMessage: WireMessage, Hashable {
    public static let type = FrameType.machineList
    /// The VMs, ordered by name.
    public let list: MachineList

    /// Wraps a list.
    public init(_ list: MachineList) { self.list = list }

    public func encode(into writer: inout WireWriter) {
        writer.list(list.machines) { $0.machine($1) }
        writer.list(list.damaged) { $0.damaged($1) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let machines = try reader.list(limit: WireLimits.machines) {
            (reader) throws(WireError) in try reader.machine()
        }
        let damaged = try reader.list(limit: WireLimits.damaged) {
            (reader) throws(WireError) in try reader.damaged()
        }
        list = MachineList(machines, damaged: damaged)
    }
}

/// One VM: its summary and its definition.
///
/// | field | type |
/// | --- | --- |
/// | summary | name, kind, state, CPU model? text; uuid 16 bytes; memory u64; vcpus u32; guest policy; right; complaint? error |
/// | definition | text, 1 MiB |
public struct MachineMessage: WireMessage, Hashable {
    public static let type = FrameType.machine
    /// The summary.
    public let summary: MachineSummary
    /// The XML document.
    public let definition: String

    /// Wraps a VM.
    public init(_ summary: MachineSummary, definition: String) {
        self.summary = summary
        self.definition = definition
    }

    public func encode(into writer: inout WireWriter) {
        writer.machine(summary)
        writer.text(definition, limit: WireLimits.definition)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        summary = try reader.machine()
        definition = try reader.text(limit: WireLimits.definition)
    }
}

extension WireWriter {
    mutating func machine(_ machine: MachineSummary) {
        text(machine.name)
        bits(machine.uuid.bits)
        text(machine.kind.rawValue)
        text(machine.state.rawValue)
        integer(machine.memory.bytes)
        integer(UInt32(clamping: machine.vcpus))
        optional(machine.cpuModel) { $0.text($1) }
        guestPolicy(machine.policy)
        right(machine.right)
        optional(machine.complaint) { $0.error($1, limit: WireLimits.reason) }
    }

    mutating func damaged(_ machine: DamagedMachine) {
        text(machine.name.text)
        optional(machine.uuid) { $0.bits($1.bits) }
        error(machine.error, limit: WireLimits.reason)
    }
}

extension WireReader {
    mutating func installation() throws(WireError) -> HostFacts.Installation {
        HostFacts.Installation(
            machineID: try text(), boot: try text(), device: try integer(), inode: try integer())
    }

    mutating func hugePages() throws(WireError) -> HugePages {
        let (pool, free) = (ByteCount(try integer()), ByteCount(try integer()))
        guard let sharing = HugePages.Sharing(rawValue: try text(limit: WireLimits.word)) else {
            throw .field("sharing")
        }
        return HugePages(pool: pool, free: free, sharing: sharing)
    }

    mutating func cpu() throws(WireError) -> HostFacts.CPU {
        let (vendor, model) = (try text(), try text())
        let features = try list(limit: WireLimits.features) { (reader) throws(WireError) in
            try reader.text(limit: WireLimits.word)
        }
        guard zip(features, features.dropFirst()).allSatisfy(<) else { throw .field("features") }
        return HostFacts.CPU(vendor: vendor, model: model, features: Set(features))
    }

    mutating func machine() throws(WireError) -> MachineSummary {
        let name = try vmName()
        let uuid = VMUUID(try bits())
        guard let kind = VMDefinition.Kind(rawValue: try text()) else { throw .field("kind") }
        guard let state = GuestLocation.State(rawValue: try text()) else { throw .field("state") }
        return MachineSummary(
            name: name.text, uuid: uuid, kind: kind, state: state,
            memory: ByteCount(try integer()), vcpus: Int(try integer(UInt32.self)),
            cpuModel: try optional { (reader) throws(WireError) in try reader.text() },
            policy: try guestPolicy(), right: try right(),
            complaint: try optional { (reader) throws(WireError) in
                try reader.error(limit: WireLimits.reason)
            })
    }

    mutating func damaged() throws(WireError) -> DamagedMachine {
        DamagedMachine(
            name: try vmName(),
            uuid: try optional { (reader) throws(WireError) in VMUUID(try reader.bits()) },
            error: try error(limit: WireLimits.reason))
    }
}
