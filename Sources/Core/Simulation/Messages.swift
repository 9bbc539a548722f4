import MigrationModel
import Ownership

/// What processes say to each other.
enum Message {
    // From a controller to an agent.
    case look
    case prepare(Attempt, source: Int)
    case startOutgoing(Attempt, to: Int, keepPaused: Bool)
    case cancelOwnMove
    case cancelMachine
    case recover(RecoveryStep)
    case startMachine
    case stopMachine
    // From an agent to its controller.
    case view(HostReport)
    case prepared
    case committed
    case moved(isClean: Bool)
    case done
    case failed(LivemigError)
    // Between an agent and the guardian of its host.
    case request(GuardianRequest)
    case armed
    case launched
    case state(HostReport)
    case saved(devices: Int)
    case resumed
    // On the link between the workers of a move.
    case link(LinkMessage)
    /// The other side has closed the connection or is no more.
    case end
}

/// What an agent asks a guardian for.
enum GuardianRequest {
    case describe
    case begin(Attempt, peer: Int, keepPaused: Bool)
    case stop, save
    case release(Attempt, ready: Bits128, own: Bits128)
    case finish(Attempt)
    case overrule(Attempt)
    case reclaim(Attempt)
    case abort
    case load(devices: Int)
    case ready(Attempt, digest: Bits128)
    case own(Attempt, digest: Bits128, resume: Bool)
    case discard(Attempt)
    case powerOff, settle, cancel, freeze
    case seize(fenced: Int)
}

/// What the workers of a move say to each other.
enum LinkMessage {
    case hello(Attempt)
    case machineReady
    case probe, probeReply
    case pages(memory: Int, isDamaged: Bool)
    case placed
    case devices(Int)
    case final(Attempt, digest: Bits128, resume: Bool)
    case ready(Attempt, digest: Bits128)
    case token(Attempt, digest: Bits128)
    case acknowledged(Attempt)
    case abort(Attempt)
    case aborted(Attempt)
    case failure(LivemigError)
}

/// What a host says of the VM: its record, what the guest does, and whom the record names.
struct HostReport {
    let view: HostView
    let peer: Int
    /// Whether the VM is defined there, so that no copy of it can be received.
    let isDefined: Bool
}

/// The digest of memory, as far as this world knows one.
func imageDigest(ofMemory moment: Int, isDamaged: Bool = false) -> Bits128 {
    Bits128(high: isDamaged ? 1 : 0, low: UInt64(moment))
}
