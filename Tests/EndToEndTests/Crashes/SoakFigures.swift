import Glibc
import LinuxSystem
import MigrationModel
import TestSupport

/// What a soak has seen so far.
struct SoakFigures {
    var moves = 0
    /// Moves after which the guest was on the destination.
    var arrived = 0
    /// Moves that were cancelled in time, of those that somebody tried to cancel.
    var cancelled = 0
    var cancellations = 0
    /// Moves of which a process was killed, of those of which one was to be.
    var killed = 0
    var kills = 0
    var recovered = 0
    /// Blackouts of the moves that ended well, in milliseconds.
    var blackouts: [Double] = []
    /// How long undisturbed moves took, from command to result.
    var durations: [Duration] = []
    var guardian = GuardianGrowth()

    private let start = MonotonicTime.now

    /// How long a move takes, at first a guess.
    var usualDuration: Duration {
        durations.isEmpty ? .milliseconds(500) : durations.sorted()[durations.count / 2]
    }

    /// A line while the soak goes on.
    var progress: String {
        """
        \(moves) moves in \(start.elapsed.brief): \(arrived) arrived, \(cancelled) cancelled, \
        \(killed) killed, \(recovered) recovered; blackout \(blackout)
        """
    }

    /// The lines at its end.
    var summary: String {
        """
        moves       \(moves) in \(start.elapsed.brief), \(usualDuration.brief) each
        arrived     \(arrived) on the destination
        cancelled   \(cancelled) of \(cancellations) that somebody tried to cancel
        killed      \(killed) of \(kills) of which a process was to be killed
        recovered   \(recovered)
        blackout    \(blackout)
        guardian    \(guardian)
        """
    }

    private var blackout: String {
        let sorted = blackouts.sorted()
        guard let least = sorted.first, let most = sorted.last else { return "none" }
        let (low, middle, high) = (brief(least), brief(sorted[sorted.count / 2]), brief(most))
        return "min \(low), median \(middle), max \(high)"
    }

    private func brief(_ milliseconds: Double) -> String {
        Duration.microseconds(Int64(milliseconds * 1000)).brief
    }
}

/// What a process holds of the system.
struct ProcessFigures: Equatable, CustomStringConvertible {
    let descriptors: Int
    let threads: Int
    /// Resident memory in KiB.
    let memory: Int

    /// Of a process by proc(5); `nil` when it has gone.
    init?(of process: Int32) {
        let folder = "/proc/\(process)"
        descriptors = TreeListing.names(in: folder + "/fd").count
        threads = TreeListing.names(in: folder + "/task").count
        let lines = ProcessFiles.text(folder + "/status").split(separator: "\n")
        let resident = lines.first { $0.hasPrefix("VmRSS:") }
        guard let kibibytes = resident.flatMap({ Int($0.filter(\.isNumber)) }) else { return nil }
        memory = kibibytes
    }

    var description: String {
        "\(descriptors) descriptors, \(threads) threads, \(memory) KiB"
    }
}

/// How much guardians grow by the moves that they live through: those that do not end on the
/// other host.
struct GuardianGrowth: CustomStringConvertible {
    private var process: Int32?
    private var first: ProcessFigures?
    private var lived = 0
    /// Moves that the longest life of a guardian saw, and what it held before and after them.
    private(set) var longest: (moves: Int, before: ProcessFigures, after: ProcessFigures)?

    /// Notes what a guardian holds while no move is under way.
    mutating func note(_ guardian: Int32) {
        guard let now = ProcessFigures(of: guardian) else { return }
        guard guardian == process, let first else {
            (process, first, lived) = (guardian, now, 0)
            return
        }
        lived += 1
        if lived > longest?.moves ?? 0 { longest = (lived, first, now) }
    }

    var description: String {
        guard let longest else { return "none lived through a move" }
        return
            "lived through \(longest.moves) moves at most: \(longest.before), then \(longest.after)"
    }
}
