public import MigrationModel
public import WireProtocol

/// Powers the guest off and ends the guardian.
public struct GuardianPowerOff: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianPowerOff

    /// The only value.
    public init() {}
}

/// Gives an interrupted move up, and makes sure that a guest which this host owns runs.
public struct GuardianSettle: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianSettle

    /// The only value.
    public init() {}
}

/// Gives the move up that is under way, whoever its worker is; the worker is let go.
public struct GuardianCancel: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianCancel

    /// The only value.
    public init() {}
}

/// Stops the guest until somebody has looked.
public struct GuardianFreeze: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianFreeze

    /// The only value.
    public init() {}
}

/// Takes the right that a host may hold which an operator has fenced.
public struct GuardianSeize: WireMessage, Hashable {
    public static let type = FrameType.guardianSeize
    /// The fenced host, for the record's reader.
    public let fenced: String

    /// Takes the right.
    public init(fenced: String) { self.fenced = fenced }

    public func encode(into writer: inout WireWriter) { writer.text(fenced) }

    public init(from reader: inout WireReader) throws(WireError) { fenced = try reader.text() }
}

/// Gives up a VM that this host owns, for an owner that an operator has decided on; the guest is
/// destroyed, durably.
public struct GuardianOverrule: AttemptMessage, Hashable {
    public static let type = FrameType.guardianOverrule
    /// The attempt at whose epoch the other owner keeps the VM.
    public let attempt: Attempt

    /// Names the attempt.
    public init(attempt: Attempt) { self.attempt = attempt }
}

/// Asks what keeps the guest's state from being saved; answered by `GuardianInspection`.
public struct GuardianInspect: EmptyWireMessage, Hashable {
    public static let type = FrameType.guardianInspect

    /// The only value.
    public init() {}
}

/// The hypervisor's own reasons why the guest cannot be moved.
///
/// One field, a list of at most 64 texts, 2048 each.
public struct GuardianInspection: WireMessage, Hashable {
    public static let type = FrameType.guardianInspection
    /// The reasons; none when it can.
    public let blockers: [String]

    /// Wraps reasons; those beyond the limit are left out.
    public init(blockers: [String]) {
        self.blockers = Array(blockers.prefix(WireLimits.items))
    }

    public func encode(into writer: inout WireWriter) {
        writer.list(blockers) { $0.text($1, limit: WireLimits.sentence) }
    }

    public init(from reader: inout WireReader) throws(WireError) {
        blockers = try reader.list(limit: WireLimits.items) { (reader) throws(WireError) in
            try reader.text(limit: WireLimits.sentence)
        }
    }
}
