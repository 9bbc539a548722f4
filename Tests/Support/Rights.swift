public import MigrationModel

extension Right {
    /// A right by its short name, of one and the same migration.
    public static func sample(_ word: String, epoch: UInt64) -> Right {
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
}
