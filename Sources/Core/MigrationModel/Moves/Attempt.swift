/// One attempt to hand a VM over: what every record, message and connection of it carries.
public struct Attempt: Hashable, Sendable, CustomStringConvertible {
    /// The random identifier.
    public let migration: MigrationID
    /// The epoch that the destination will own the VM at.
    public let epoch: Epoch

    /// States an attempt.
    public init(migration: MigrationID, epoch: Epoch) {
        self.migration = migration
        self.epoch = epoch
    }

    /// Such as `epoch 7, 1f3c…`.
    public var description: String { "epoch \(epoch), \(migration)" }
}
