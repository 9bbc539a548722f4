import MigrationModel

@testable import History

/// A number that stands out in an id.
func key(_ number: UInt64) -> Bits128 { Bits128(high: number << 32, low: 0) }

/// A move of web1 from alpha to beta that this process makes.
func running(
    _ number: UInt64 = 1, vm: String = "web1", from source: String? = "alpha",
    to destination: String = "beta", at seconds: Int64 = 1_769_860_800,
    by controller: ControllerProcess = .current
) -> MoveRecord {
    MoveRecord(
        key: key(number), command: .move, vm: vm, source: source, destination: destination,
        started: WallTime(milliseconds: seconds * 1000), policy: .init(MigrationPolicy()),
        state: .running(controller))
}

/// The same with everything that a record can hold.
func moved(_ number: UInt64 = 1, at seconds: Int64 = 1_769_860_800) -> MoveRecord {
    var record = running(number, at: seconds)
    record.migration = MigrationID(Bits128(high: 0xABCD << 48, low: number))
    record.uuid = VMUUID(Bits128(high: 3, low: 4))
    record.policy.bandwidth = 125_000_000
    record.policy.lanes = 4
    record.prediction = MovePrediction(
        rounds: .init(2, 4), totalMs: .init(1500, 4000.5), blackoutMs: .init(20, 40))
    var counts = PageCounts()
    counts.sent = 7
    counts.zero = 8
    counts.unchanged = 9
    record.rounds = (0..<3).map { round in
        RoundReport(
            number: round, dirtyPages: 24, pages: counts, wireBytes: 4096,
            duration: .nanoseconds(1_234_567), dirtiedPages: 5)
    }
    record.phases = [
        .init(name: "connecting", after: .milliseconds(20)),
        .init(name: "pre-copy", after: .milliseconds(120)),
    ]
    var ending = MoveRecord.Ending(total: .nanoseconds(3_600_000_001), outcome: .moved, exitCode: 6)
    ending.guest = GuestLocation(vm: "web1", state: .running, host: "beta", epoch: Epoch(7))
    var downtime = Downtime()
    downtime.finalPages = .nanoseconds(7_900_001)
    downtime.deviceState = .milliseconds(6)
    downtime.commit = .milliseconds(4)
    downtime.resume = .milliseconds(5)
    ending.measured = .init(
        rounds: 5, transfer: .milliseconds(1540), downtime: downtime, guestBytes: 4 << 30,
        wireBytes: 321 << 20, pages: counts, verified: "pages", differing: DifferingPages())
    ending.error = .init(
        LivemigError(.cleanup, "a copy is left", at: "alpha", fix: "livemig recover web1"))
    ending.sourceError = .init(LivemigError(.io, "unlink: \u{1B}[2J"))
    ending.destinationError = .init(LivemigError(.stall, "silent", at: "beta"))
    record.state = .ended(ending)
    return record
}

/// A move that was refused.
func refused(_ number: UInt64, at seconds: Int64 = 1_769_860_800) -> MoveRecord {
    var record = running(number, at: seconds)
    var ending = MoveRecord.Ending(total: .milliseconds(80), outcome: .refused, exitCode: 13)
    ending.error = .init(LivemigError(.memory, "needs 4 GiB, free 1 GiB"))
    record.state = .ended(ending)
    return record
}
