public import MigrationModel

/// Where a move has got to.
///
/// One field: u8.
public struct PhaseMessage: WireMessage, Hashable {
    public static let type = FrameType.phase
    /// The phase that has begun.
    public let phase: MovePhase

    /// Wraps a phase.
    public init(_ phase: MovePhase) { self.phase = phase }

    public func encode(into writer: inout WireWriter) { writer.integer(phase.rawValue) }

    public init(from reader: inout WireReader) throws(WireError) { phase = try reader.choice() }
}

/// A round that has ended.
///
/// | field | type |
/// | --- | --- |
/// | number | u32 |
/// | dirty pages | u64 |
/// | sent, zero, unchanged | u64 each |
/// | wire bytes | u64 |
/// | duration | i64 ns |
/// | dirtied pages | u64 |
public struct RoundMessage: WireMessage, Hashable {
    public static let type = FrameType.round
    /// The round.
    public let round: RoundReport

    /// Wraps a round.
    public init(_ round: RoundReport) { self.round = round }

    public func encode(into writer: inout WireWriter) {
        writer.integer(UInt32(clamping: round.number))
        writer.integer(round.dirtyPages)
        writer.pages(round.pages)
        writer.integer(round.wireBytes)
        writer.duration(round.duration)
        writer.integer(round.dirtiedPages)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        round = RoundReport(
            number: Int(try reader.integer(UInt32.self)), dirtyPages: try reader.integer(),
            pages: try reader.pages(), wireBytes: try reader.integer(),
            duration: try reader.duration(), dirtiedPages: try reader.integer())
    }
}

/// How far the round in progress is: round u32, pages done u64, pages of the round u64, wire bytes
/// of the whole move u64.
public struct ProgressMessage: WireMessage, Hashable {
    public static let type = FrameType.progress
    /// How far it is.
    public let progress: RoundProgress

    /// Wraps progress.
    public init(_ progress: RoundProgress) { self.progress = progress }

    public func encode(into writer: inout WireWriter) {
        writer.integer(UInt32(clamping: progress.round))
        writer.integer(progress.done)
        writer.integer(progress.total)
        writer.integer(progress.wireBytes)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        progress = RoundProgress(
            round: Int(try reader.integer(UInt32.self)), done: try reader.integer(),
            total: try reader.integer(), wireBytes: try reader.integer())
    }
}

/// The guest is on the destination: the fields of `MigrationReport` in order.
public struct Moved: WireMessage, Hashable {
    public static let type = FrameType.moved
    /// The report.
    public let report: MigrationReport

    /// Wraps a report.
    public init(_ report: MigrationReport) { self.report = report }

    public func encode(into writer: inout WireWriter) {
        writer.integer(UInt32(clamping: report.rounds))
        writer.duration(report.transfer)
        writer.duration(report.downtime.finalPages)
        writer.duration(report.downtime.deviceState)
        writer.duration(report.downtime.commit)
        writer.duration(report.downtime.resume)
        writer.integer(report.guestBytes.bytes)
        writer.integer(report.wireBytes)
        writer.pages(report.pages)
        writer.integer(report.epoch.number)
        writer.flag(report.sourceIsClean)
        writer.flag(report.isRunning)
        writer.integer(report.verified.rawValue)
        writer.differing(report.differing)
        writer.reach(report.reach)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let rounds = Int(try reader.integer(UInt32.self))
        let transfer = try reader.duration()
        var downtime = Downtime()
        downtime.finalPages = try reader.duration()
        downtime.deviceState = try reader.duration()
        downtime.commit = try reader.duration()
        downtime.resume = try reader.duration()
        report = MigrationReport(
            rounds: rounds, transfer: transfer, downtime: downtime,
            guestBytes: ByteCount(try reader.integer()), wireBytes: try reader.integer(),
            pages: try reader.pages(), epoch: try reader.epoch(),
            sourceIsClean: try reader.flag(), isRunning: try reader.flag(),
            verified: try reader.choice(), differing: try reader.differing(),
            reach: try reader.reach())
    }
}
