import Glibc
import LinuxSystem
import MigrationModel
import TestSupport

/// What must hold once a move has ended, however it did, and was recovered where need be.
///
/// Each check returns what does not hold: nothing when all is well.
extension Shuttle {
    /// Checks that exactly one host has the guest and runs it whole, that nothing is left on the
    /// other, and that the command said what is true; the guest's host is the next move's source.
    ///
    /// - Parameter move: what the command of the move said.
    func check(after move: CommandResult) throws -> [String] {
        guard let owner = try owner() else {
            return ["no single owner: \(try someone.run("status", "guest"))", "\(move)"]
        }
        var faults = try checkGuest(on: owner)
        faults += checkNothingLeft(on: owner === source ? destination : source)
        faults += checkClaim(move, owner)
        settle(on: owner)
        return faults
    }

    /// Checks that one guest runs on a host, and that its memory is what it wrote.
    func checkGuest(on host: TestHost) throws -> [String] {
        var faults: [String] = []
        let summary = try hosts.summary(on: host)
        if summary.state != .running { faults.append("the guest is \(summary.state)") }
        let guests = host.processIDs(with: guest.hypervisor).count
        if guests != 1 { faults.append("\(guests) guests on \(host.name)") }
        return faults + guest.faults(on: host)
    }

    /// Checks that a host has nothing of the guest, in a while: neither processes nor files.
    func checkNothingLeft(on host: TestHost) -> [String] {
        let deadline = MonotonicTime.now + .seconds(15)
        while !host.processes.isEmpty || !host.leftovers.isEmpty {
            guard MonotonicTime.now < deadline else {
                return ["left on \(host.name): \(host.processes) \(host.leftovers)"]
            }
            usleep(20_000)
        }
        return []
    }

    /// Checks that what the command said about where the guest is was true.
    func checkClaim(_ move: CommandResult, _ owner: TestHost) -> [String] {
        if let place = (try? move.decode(MoveLine.self))?.last?.vmIs, place.state == "running",
            place.host != owner.name.text
        {
            return ["the move said that the guest runs on \(place.host)"]
        }
        return switch move.status {
        case ExitCode.success.rawValue, ExitCode.committed.rawValue:
            owner === destination ? [] : ["the move said it went well"]
        case ExitCode.failedOnSource.rawValue, ExitCode.cancelled.rawValue,
            ExitCode.verification.rawValue, ExitCode.notConverged.rawValue:
            owner === source ? [] : ["the move said that the guest runs on the source"]
        default: []
        }
    }

    /// Checks that the next move goes well, and takes the guest to the other host.
    func checkNextMove() throws -> [String] {
        let next = try begin().finish()
        guard next.status == 0 else { return ["the next move failed: \(next)"] }
        settle(on: destination)
        return guest.faults(on: source).map { "after the next move: \($0)" }
    }
}
