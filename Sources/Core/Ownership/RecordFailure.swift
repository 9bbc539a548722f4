public import MigrationModel

extension GuardianMachine {
    /// What becomes of an event whose record could not be written.
    public enum RecordFailure: Hashable, Sendable {
        /// The rest is done all the same: what is written already gives the guest to this host.
        case goesOn
        /// The event counts, since the record may be on the medium, and nothing more is done.
        case counts
        /// The event has not happened.
        case undone
    }

    /// Decides what becomes of an event whose record could not be written.
    ///
    /// A record that cannot be written does not keep a guest paused that this host owns by what is
    /// written already: an intent, or a release that the destination has refused durably. Nothing
    /// else happens without its record, least of all the taking of a fenced peer's right: the peer
    /// would come back as the only owner. A release may have reached the medium all the same, and so
    /// counts.
    /// - Parameters:
    ///   - right: the record that was not written.
    ///   - before: the right before the event.
    public static func failure(toRecord right: Right, after before: Right) -> RecordFailure {
        switch (before.isUnderWay, right) {
        case (true, .owner(before.epoch, _)): .goesOn
        case (_, .released): .counts
        default: .undone
        }
    }

    /// Whether a hypervisor that did not let the guest run has proved that no instruction of it was
    /// executed, so that an owner may give the right back.
    ///
    /// Only a refused lock proves it (`VirtualMachine.resume`). Silence, an end or a failed guest
    /// may come after the first instruction.
    public static func provesThatNothingRan(_ error: LivemigError) -> Bool { error.code == .lock }
}

extension Right {
    /// Whether a worker is needed to go on.
    public var isUnderWay: Bool {
        switch self {
        case .intent, .released: true
        default: false
        }
    }
}

extension RecoveryStep {
    /// What the step means on a host that has the record alone, without a guest.
    /// - Throws: `E-VMSTATE` for a step that needs a copy of the guest.
    public func eventWithoutGuest() throws(LivemigError) -> GuardianMachine.Event {
        switch self {
        case .settle, .freeze: return .hypervisorEnded
        case .discard(let attempt): return .destination(.discard(attempt))
        case .reclaim(let attempt): return .source(.refused(attempt))
        case .finish(let attempt): return .source(.acknowledged(attempt))
        case .overrule(let attempt): return .source(.overruled(attempt))
        case .token, .seize:
            throw LivemigError(.vmState, "the copy that would run has gone")
        }
    }
}
