public import MigrationModel

extension Right {
    /// Whether a record is older than the last right that its host remembers.
    ///
    /// The memory is written after the record, and not for every step of a hand-over: a record may
    /// be ahead of it. It is behind when its epoch is, or when it gives a right that the host has
    /// given away at that very epoch.
    /// - Parameter remembered: the last right that was written and remembered.
    public func isOlder(than remembered: Right) -> Bool {
        if self == .none { return !remembered.isDeparted && remembered != .none }
        guard epoch == remembered.epoch else { return epoch < remembered.epoch }
        switch (remembered, self) {
        // What was given away comes back by a refusal alone, which leaves no migration behind.
        case (.released, .owner(_, nil)): return false
        case (.released, _): return mayRun
        case (.gone, _), (.aborted, _): return mayRun || isCopyWaiting
        default: return false
        }
    }
}
