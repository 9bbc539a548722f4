/// What a recovery asks of one host.
///
/// Every step can be repeated: a host that has done it already answers as if it did it now.
public enum RecoveryStep: Hashable, Sendable {
    /// Make sure that a guest which this host owns runs, and give an interrupted move up.
    case settle
    /// Give an attempt up durably and remove the copy.
    case discard(Attempt)
    /// Take the right that the source has given away.
    case token(Attempt, digest: Bits128)
    /// Take the right back that the destination has refused durably.
    case reclaim(Attempt)
    /// Destroy the copy: the destination owns the VM.
    case finish(Attempt)
    /// Give up a VM that this host owns: an operator has decided that another owner keeps it, at
    /// the epoch of the attempt. A saved guest is kept aside.
    case overrule(Attempt)
    /// Let the guest stand still until somebody has looked.
    case freeze
    /// Take the right that a fenced host may hold.
    case seize(fenced: String)
}
