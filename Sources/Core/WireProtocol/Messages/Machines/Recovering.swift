public import MigrationModel

/// Asks for a host's record of a VM, also of one that has gone; answered by `RecordMessage`.
public struct ShowRecord: MachineRequest, Hashable {
    public static let type = FrameType.showRecord
    /// The VM.
    public let name: VMName

    /// Names a VM.
    public init(name: VMName) { self.name = name }
}

/// Gives the move of a VM up that is under way; answered by `DoneMessage`.
public struct CancelMachine: MachineRequest, Hashable {
    public static let type = FrameType.cancelMachine
    /// The VM.
    public let name: VMName

    /// Names a VM.
    public init(name: VMName) { self.name = name }
}

/// A host's record of a VM and what the guest does there; no record where the host never had it.
///
/// | field | type |
/// | --- | --- |
/// | record | optional: uuid 16 bytes, right, peer text 512, time u64 in seconds since 1970 |
/// | state | text: what the guest does there |
public struct RecordMessage: WireMessage, Hashable {
    public static let type = FrameType.record
    /// The record.
    public let record: OwnershipRecord?
    /// What the guest does.
    public let state: GuestLocation.State

    /// States both.
    public init(_ record: OwnershipRecord?, state: GuestLocation.State) {
        self.record = record
        self.state = state
    }

    public func encode(into writer: inout WireWriter) {
        writer.optional(record) { $0.record($1) }
        writer.text(state.rawValue)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        record = try reader.optional { (reader) throws(WireError) in try reader.record() }
        guard let state = GuestLocation.State(rawValue: try reader.text()) else {
            throw .field("state")
        }
        self.state = state
    }
}

/// Asks a host for one step of a recovery; answered by `DoneMessage`, and harmless when repeated.
///
/// | field | type |
/// | --- | --- |
/// | name | VM name |
/// | uuid | 16 bytes: the VM; a host whose VM of the name is another one refuses |
/// | step | u8: 0 settle, 1 discard, 2 token, 3 reclaim, 4 finish, 5 freeze, 6 seize, 7 overrule |
/// | attempt, digest | attempt and 16 bytes, zero where the step has none |
/// | fenced | text: the host that an operator has fenced, of `seize` |
public struct RecoverMachine: WireMessage, Hashable {
    public static let type = FrameType.recoverMachine

    /// The VM's name.
    public let name: VMName
    /// The VM.
    public let uuid: VMUUID
    /// What to do.
    public let step: RecoveryStep

    /// Asks.
    public init(name: VMName, uuid: VMUUID, step: RecoveryStep) {
        self.name = name
        self.uuid = uuid
        self.step = step
    }

    public func encode(into writer: inout WireWriter) {
        writer.text(name.text)
        writer.bits(uuid.bits)
        writer.integer(step.number)
        writer.attempt(step.attempt ?? Self.noAttempt)
        writer.bits(step.digest ?? .zero)
        writer.text(step.fenced)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        name = try reader.vmName()
        uuid = VMUUID(try reader.bits())
        let number: UInt8 = try reader.integer()
        let attempt = try reader.attempt()
        let digest = try reader.bits()
        let fenced = try reader.text()
        switch number {
        case 0: step = .settle
        case 1: step = .discard(attempt)
        case 2: step = .token(attempt, digest: digest)
        case 3: step = .reclaim(attempt)
        case 4: step = .finish(attempt)
        case 5: step = .freeze
        case 6: step = .seize(fenced: fenced)
        case 7: step = .overrule(attempt)
        default: throw .field("step")
        }
        guard step.attempt ?? Self.noAttempt == attempt, step.digest ?? .zero == digest,
            step.fenced == fenced
        else { throw .field("step") }
    }

    private static let noAttempt = Attempt(migration: MigrationID(.zero), epoch: Epoch(0))
}

extension RecoveryStep {
    fileprivate var number: UInt8 {
        switch self {
        case .settle: 0
        case .discard: 1
        case .token: 2
        case .reclaim: 3
        case .finish: 4
        case .freeze: 5
        case .seize: 6
        case .overrule: 7
        }
    }

    fileprivate var attempt: Attempt? {
        switch self {
        case .discard(let attempt), .token(let attempt, _), .reclaim(let attempt),
            .finish(let attempt), .overrule(let attempt):
            attempt
        case .settle, .freeze, .seize: nil
        }
    }

    fileprivate var fenced: String {
        if case .seize(let fenced) = self { fenced } else { "" }
    }

    fileprivate var digest: Bits128? {
        if case .token(_, let digest) = self { digest } else { nil }
    }
}
