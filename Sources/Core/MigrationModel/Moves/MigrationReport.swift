/// What happened to the pages of a move.
public struct PageCounts: Hashable, Sendable {
    /// Pages sent with content.
    public var sent: UInt64
    /// Pages sent as zeros, without content.
    public var zero: UInt64
    /// Pages found dirty whose content was what the destination already had.
    public var unchanged: UInt64

    /// States counts; none by default.
    public init(sent: UInt64 = 0, zero: UInt64 = 0, unchanged: UInt64 = 0) {
        self.sent = sent
        self.zero = zero
        self.unchanged = unchanged
    }

    /// All pages looked at.
    public var total: UInt64 { sent.adding(zero).adding(unchanged) }

    /// The sum of two counts; counts come from peers too, so a sum stops at the largest number.
    public static func + (left: PageCounts, right: PageCounts) -> PageCounts {
        var sum = left
        sum.sent = sum.sent.adding(right.sent)
        sum.zero = sum.zero.adding(right.zero)
        sum.unchanged = sum.unchanged.adding(right.unchanged)
        return sum
    }
}

extension UInt64 {
    /// The sum, or the largest number where that is too large.
    fileprivate func adding(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

/// One round of pre-copy, as measured on the source.
public struct RoundReport: Hashable, Sendable {
    /// The number, from 0 for the round that sends all populated pages.
    public var number: Int
    /// Pages that were to be sent in this round.
    public var dirtyPages: UInt64
    /// What became of them.
    public var pages: PageCounts
    /// Bytes on the wire.
    public var wireBytes: UInt64
    /// From the harvest until the destination had placed every page.
    public var duration: Duration
    /// Pages written by the guest during the round, found by the harvest after it.
    public var dirtiedPages: UInt64

    /// States a round.
    public init(
        number: Int, dirtyPages: UInt64, pages: PageCounts, wireBytes: UInt64, duration: Duration,
        dirtiedPages: UInt64
    ) {
        self.number = number
        self.dirtyPages = dirtyPages
        self.pages = pages
        self.wireBytes = wireBytes
        self.duration = duration
        self.dirtiedPages = dirtiedPages
    }

    /// Bytes on the wire a second.
    public var rate: Double { Double(wireBytes) / max(duration.seconds, 1e-6) }

    /// Bytes of guest RAM written by the guest a second.
    public var dirtyRate: Double { Double(dirtiedPages) * 4096 / max(duration.seconds, 1e-6) }
}

/// The guest's stop, split into what it was spent on; the parts add up to the total.
public struct Downtime: Hashable, Sendable {
    /// Stopping the guest, saving its device state and sending the last pages.
    public var finalPages: Duration = .zero
    /// Comparing memory and loading the device state on the destination.
    public var deviceState: Duration = .zero
    /// Handing over the right to run, with both records durable.
    public var commit: Duration = .zero
    /// Letting the guest run.
    public var resume: Duration = .zero

    /// No stop.
    public init() {}

    /// From the guest's stop to its running again, never shorter than the truth.
    public var total: Duration { finalPages + deviceState + commit + resume }
}

/// The result of a move that reached the destination.
public struct MigrationReport: Hashable, Sendable {
    /// The number of rounds, the last one with the guest stopped included.
    public var rounds: Int
    /// From the first page read to the guest running on the destination.
    public var transfer: Duration
    /// The guest's stop.
    public var downtime: Downtime
    /// The guest's RAM.
    public var guestBytes: ByteCount
    /// Bytes on the wire, framing included.
    public var wireBytes: UInt64
    /// What became of the pages.
    public var pages: PageCounts
    /// Where the guest is now.
    public var epoch: Epoch
    /// Whether the source's copy and its files are gone.
    public var sourceIsClean: Bool
    /// Whether the guest runs; a guest that was paused stays paused.
    public var isRunning: Bool
    /// How the copy of memory was verified: less than was asked for where an audit was not
    /// finished.
    public var verified: MigrationPolicy.Verification
    /// What an audit found after the commit; no pages for every other level.
    public var differing: DifferingPages
    /// How soon the destination's bridges knew of the guest, for each interface that was measured.
    public var reach: [NetworkReach]

    /// States a result.
    public init(
        rounds: Int, transfer: Duration, downtime: Downtime, guestBytes: ByteCount,
        wireBytes: UInt64, pages: PageCounts, epoch: Epoch, sourceIsClean: Bool, isRunning: Bool,
        verified: MigrationPolicy.Verification = .pages, differing: DifferingPages = .init(),
        reach: [NetworkReach] = []
    ) {
        self.rounds = rounds
        self.transfer = transfer
        self.downtime = downtime
        self.guestBytes = guestBytes
        self.wireBytes = wireBytes
        self.pages = pages
        self.epoch = epoch
        self.sourceIsClean = sourceIsClean
        self.isRunning = isRunning
        self.verified = verified
        self.differing = differing
        self.reach = reach
    }
}
