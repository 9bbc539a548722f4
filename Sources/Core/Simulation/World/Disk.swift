import MigrationModel
import Ownership

/// A host's record of the VM as its disk keeps it: two slots written in turn, of which the newer
/// valid one counts.
///
/// What is written is in the page cache at once and on the medium after a sync. A dead process
/// loses nothing of it; a power loss loses what was not synced, or tears it.
struct Disk {
    struct Slot: Hashable {
        var sequence: Int
        var right: Right
        /// The other host, for whoever recovers; -1 when there is none.
        var peer: Int
    }

    private var medium: [Slot?] = [nil, nil]
    private var cache: [Slot?] = [nil, nil]
    /// Whether a sync has failed; it fails from then on, until the host has been started anew.
    private(set) var hasFailed = false

    /// Makes a record before the story begins.
    init(_ right: Right) {
        medium[0] = Slot(sequence: 0, right: right, peer: -1)
        cache = medium
    }

    /// What a reader sees.
    var newest: Slot? { cache.compactMap { $0 }.max { $0.sequence < $1.sequence } }

    /// What a power loss would leave.
    var durable: Slot? { medium.compactMap { $0 }.max { $0.sequence < $1.sequence } }

    var right: Right { newest?.right ?? .none }
    var peer: Int { newest?.peer ?? -1 }

    /// Puts a record into the page cache, where it would be lost with the power.
    mutating func write(_ right: Right, peer: Int?) {
        let sequence = (newest?.sequence ?? -1) + 1
        cache[sequence % 2] = Slot(sequence: sequence, right: right, peer: peer ?? self.peer)
    }

    mutating func sync() { medium = cache }

    /// A write that fails: the record may or may not have reached the medium.
    mutating func fail(_ right: Right, peer: Int?, reached: Bool) {
        if reached {
            write(right, peer: peer)
            sync()
        }
        hasFailed = true
    }

    /// The power goes: each slot that was not synced is kept, lost or torn.
    mutating func losePower(_ random: inout Random) {
        for index in 0..<2 where cache[index] != medium[index] {
            switch random.below(3) {
            case 0: medium[index] = cache[index]
            case 1: medium[index] = nil
            default: break
            }
        }
        cache = medium
        hasFailed = false
    }
}
