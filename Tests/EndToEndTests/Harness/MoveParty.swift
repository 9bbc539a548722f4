import TestSupport

/// Who takes part in a move, as processes that a test can hit.
enum MoveParty: String, CaseIterable, Sendable {
    case controller
    case sourceAgent, sourceGuardian, sourceGuest
    case destinationAgent, destinationGuardian, destinationGuest
}

extension Shuttle {
    /// The processes that a party has now; none when it has not come yet or has gone.
    func processIDs(of party: MoveParty, _ move: CommandInProgress) -> [Int32] {
        switch party {
        case .controller: [move.processID]
        case .sourceAgent: source.processIDs(with: " serve ")
        case .sourceGuardian: source.processIDs(with: " guard ")
        case .sourceGuest: source.processIDs(with: guest.hypervisor)
        case .destinationAgent: destination.processIDs(with: " serve ")
        case .destinationGuardian: destination.processIDs(with: " guard ")
        case .destinationGuest: destination.processIDs(with: guest.hypervisor)
        }
    }
}
