import MigrationModel
import TestSupport

@testable import Orchestrator

func hostRecord(_ name: String) throws -> HostRecord {
    HostRecord(name: try HostName(name), address: "10.0.0.1", hostKeys: [])
}

func machine(
    _ state: GuestLocation.State = .running, name: String = "web1", uuid: UInt64 = 1,
    memory: ByteCount = .mebibytes(4096), epoch: UInt64 = 6, right: String = "OWN"
) -> MachineSummary {
    MachineSummary(
        name: name, uuid: VMUUID(Bits128(high: 0, low: uuid)), kind: .qemu, state: state,
        memory: memory, vcpus: 2, right: Right.sample(right, epoch: epoch))
}

func side(
    _ name: String, _ machines: [MachineSummary] = [], free: ByteCount = .mebibytes(65536),
    identity: String? = nil, canTrack: Bool = true, damaged: [DamagedMachine] = []
) throws -> MoveSide {
    MoveSide(
        host: try hostRecord(name),
        facts: HostFacts(
            identity: identity ?? name, kernel: "6.18.0", agentVersion: "0.1.0",
            architecture: "x86_64", processors: 2, memoryTotal: .mebibytes(65536),
            memoryAvailable: free, tracking: canTrack ? "WP_ASYNC" : "kernel 5.10 is too old",
            canTrack: canTrack, hypervisor: "QEMU 10.0.2", hasKVM: false,
            cpu: .init(), clock: 0),
        MachineList(machines, damaged: damaged))
}

/// A VM whose record is damaged.
func damage(_ name: String = "web1", uuid: UInt64? = nil) throws -> DamagedMachine {
    DamagedMachine(
        name: try VMName(name), uuid: uuid.map { VMUUID(Bits128(high: 0, low: $0)) },
        error: LivemigError(.journalCorrupt, "no slot is valid", at: "b: /r", fix: "look"))
}

func report(clean: Bool = true) -> MigrationReport {
    var downtime = Downtime()
    downtime.finalPages = .microseconds(7_900)
    downtime.deviceState = .microseconds(6_000)
    downtime.commit = .microseconds(4_000)
    downtime.resume = .microseconds(5_800)
    var pages = PageCounts()
    pages.sent = 31_021
    pages.zero = 182_211
    pages.unchanged = 77
    return MigrationReport(
        rounds: 4, transfer: .milliseconds(1540), downtime: downtime,
        guestBytes: .mebibytes(4096), wireBytes: 321 << 20, pages: pages, epoch: Epoch(7),
        sourceIsClean: clean, isRunning: true)
}
