/// A part of livemig that reads bytes from outside, as a function of bytes.
///
/// Any input gives an answer: what was read from it, or an error. A trap is a finding, and so is a
/// broken promise, such as a value that is not read back as it was written.
public enum FuzzTarget: String, CaseIterable, Sendable {
    /// Frames on a connection, and the messages in them.
    case frames
    /// A lane's receiver, from its first frame to its last.
    case lane
    /// Batches of pages, placed one after the other in one guest's memory.
    case batches
    /// One slot of an ownership record.
    case journal
    /// The header of a saved guest.
    case saved
    /// The definition of a VM.
    case domain
    /// The hosts file.
    case inventory
    /// The policy of a host.
    case policy
    /// What QEMU's monitor sends.
    case qmp
    /// The command line of the agent.
    case arguments

    /// What became of an input.
    public enum Outcome: Hashable, Sendable {
        /// It was read to its end.
        case accepted
        /// It was refused with an error.
        case refused
    }

    /// Feeds one input.
    /// - Throws: a promise that the input breaks.
    public func run(_ input: [UInt8]) throws(BrokenPromise) -> Outcome {
        switch self {
        case .frames: try FrameFuzzing.run(input)
        case .lane: try LaneFuzzing.run(input)
        case .batches: try BatchFuzzing.run(input)
        case .journal: try JournalFuzzing.run(input)
        case .saved: try SavedFuzzing.run(input)
        case .domain: try DocumentFuzzing.domain(input)
        case .inventory: try DocumentFuzzing.inventory(input)
        case .policy: try DocumentFuzzing.policy(input)
        case .qmp: try MonitorFuzzing.run(input)
        case .arguments: try ArgumentFuzzing.run(input)
        }
    }
}

/// A promise that an input has broken.
public struct BrokenPromise: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, in one sentence.
    public let description: String

    init(_ description: String) { self.description = description }
}

/// Insists on a promise.
func promise(_ isKept: Bool, _ description: @autoclosure () -> String) throws(BrokenPromise) {
    if !isKept { throw BrokenPromise(description()) }
}
