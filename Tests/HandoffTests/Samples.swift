import Handoff
import MigrationModel
import TestSupport

let vm = VMUUID(Bits128(high: 0, low: 1))

/// What a host says that has a record of the VM.
func view(
    _ word: String, _ state: GuestLocation.State = .running, epoch: UInt64 = 7, peer: String = ""
) -> VMLocation.View {
    .record(
        OwnershipRecord(uuid: vm, right: Right.sample(word, epoch: epoch), peer: peer, time: 0),
        state)
}

/// Where a VM is by what hosts say.
func judge(_ views: (String, VMLocation.View)...) throws -> VMLocation {
    VMLocation(of: "web1", try views.map { .init(host: try HostName($0), view: $1) })
}

/// The result of a move.
func report(clean: Bool = true) -> MigrationReport {
    MigrationReport(
        rounds: 4, transfer: .milliseconds(1540), downtime: Downtime(),
        guestBytes: .mebibytes(4096), wireBytes: 321 << 20, pages: PageCounts(sent: 31_021),
        epoch: Epoch(7), sourceIsClean: clean, isRunning: true)
}

extension RecoveryStep {
    /// The step without its details.
    var brief: String {
        switch self {
        case .settle: "settle"
        case .discard: "discard"
        case .token: "token"
        case .reclaim: "reclaim"
        case .finish: "finish"
        case .overrule: "overrule"
        case .freeze: "freeze"
        case .seize: "seize"
        }
    }
}
