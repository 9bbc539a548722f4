import Handoff
import MigrationModel

let vm = VMUUID(Bits128(high: 0, low: 1))

/// A right by its short name, of one and the same migration.
func record(_ word: String, epoch: UInt64) -> Right {
    let digest = Bits128(high: 0, low: 5)
    let attempt = Attempt(
        migration: MigrationID(Bits128(high: 0, low: 9)), epoch: Epoch(epoch))
    return switch word {
    case "OWN": .owner(attempt.epoch, attempt.migration)
    case "INT": .intent(attempt)
    case "REL": .released(attempt, digest: digest)
    case "GONE": .gone(attempt)
    case "ARM": .armed(attempt)
    case "RDY": .ready(attempt, digest: digest)
    case "ABT": .aborted(attempt)
    default: .none
    }
}

/// What a host says that has a record of the VM.
func view(
    _ word: String, _ state: GuestLocation.State = .running, epoch: UInt64 = 7, peer: String = ""
) -> VMLocation.View {
    .record(
        OwnershipRecord(uuid: vm, right: record(word, epoch: epoch), peer: peer, time: 0), state)
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
