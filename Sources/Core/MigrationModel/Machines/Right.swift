/// A host's right to run one VM, as its durable record states it.
///
/// On the source a record goes `owner → intent → released → gone`, and back from `intent` by an
/// abort or from `released` by the destination's durable refusal. On the destination it goes
/// `none → armed → ready → owner`, or from `armed` and `ready` to `aborted`.
public enum Right: Hashable, Sendable {
    /// This host never had the VM.
    case none
    /// This host may run the VM (OWN). The migration is the one that brought the right here.
    case owner(Epoch, MigrationID?)
    /// This host may run the VM and is about to give it away (INT).
    case intent(Attempt)
    /// The right was given away and is not known to have arrived (REL): the commit point.
    case released(Attempt, digest: Bits128)
    /// The right has arrived elsewhere (GONE).
    case gone(Attempt)
    /// This host prepares to take the VM over (ARM).
    case armed(Attempt)
    /// This host holds a whole copy and waits for the right (RDY).
    case ready(Attempt, digest: Bits128)
    /// This host gave an attempt up without ever running the VM (ABT).
    case aborted(Attempt)

    /// The epoch of the record.
    public var epoch: Epoch {
        switch self {
        case .none: Epoch(0)
        case .owner(let epoch, _): epoch
        case .intent(let attempt), .released(let attempt, _), .gone(let attempt),
            .armed(let attempt), .ready(let attempt, _), .aborted(let attempt):
            attempt.epoch
        }
    }

    /// The attempt that the record speaks of.
    public var attempt: Attempt? {
        switch self {
        case .none: nil
        case .owner(let epoch, let migration):
            migration.map { Attempt(migration: $0, epoch: epoch) }
        case .intent(let attempt), .released(let attempt, _), .gone(let attempt),
            .armed(let attempt), .ready(let attempt, _), .aborted(let attempt):
            attempt
        }
    }

    /// The digest of the memory that is handed over, while it is.
    public var digest: Bits128? {
        switch self {
        case .released(_, let digest), .ready(_, let digest): digest
        default: nil
        }
    }

    /// The state's short name, as in the commit protocol's tables.
    public var word: String {
        switch self {
        case .none: "NONE"
        case .owner: "OWN"
        case .intent: "INT"
        case .released: "REL"
        case .gone: "GONE"
        case .armed: "ARM"
        case .ready: "RDY"
        case .aborted: "ABT"
        }
    }

    /// Whether this host alone may let the guest run: it owns the VM and has not given it away.
    public var mayRun: Bool {
        switch self {
        case .owner, .intent: true
        default: false
        }
    }

    /// Whether this host holds a copy that waits for the right.
    public var isCopyWaiting: Bool {
        switch self {
        case .armed, .ready: true
        default: false
        }
    }

    /// Whether the VM has gone elsewhere for good, or never came (GONE, ABT).
    public var isDeparted: Bool {
        switch self {
        case .gone, .aborted: true
        default: false
        }
    }

    /// Whether a copy that is found without anybody who works on it will never get the right.
    public var isLeftover: Bool {
        switch self {
        case .none, .gone, .aborted, .armed: true
        case .owner, .intent, .released, .ready: false
        }
    }

    /// Whether this host owns the VM and is about to give it away.
    public var isIntent: Bool {
        if case .intent = self { true } else { false }
    }
}
