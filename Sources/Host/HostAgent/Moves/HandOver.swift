import CrashPoints
import Guardian
import Handoff
import LinuxSystem
import MigrationEngine
import MigrationModel
import PageCodec
import WireProtocol

/// The switchover and the hand-over of the right to run, on the source.
///
/// Stop the guest with the deadline armed, send the last pages while the device state is saved,
/// send what was written while it was saved, compare, commit, give the token away, clean up.
struct HandOver {
    let request: StartOutgoing
    let link: PeerLink
    let board: RoundBoard
    let image: SourceImage
    let control: MoveControl
    let events: FrameSink
    /// The guest was paused before, and stays so.
    let isPaused: Bool

    /// What came of it.
    struct Outcome {
        var downtime: Downtime
        var resumedAt: MonotonicTime
        var sourceIsClean: Bool
        var isRunning: Bool
        var audit: MemoryComparison.Audit
        /// How soon the destination's bridges knew of the guest, as far as that is known.
        var reach: [NetworkReach]
    }

    /// What a measurement may take to come here.
    private static let reachMargin: Duration = .seconds(2)

    /// - Parameter stateBytes: is set to the size of the device state, once it is known.
    func run(
        _ preCopy: inout PreCopy, _ guardian: borrowing GuardianClient,
        noting stateBytes: inout UInt64?
    ) throws(LivemigError) -> Outcome {
        try control.check()
        events.sendIfPossible(PhaseMessage(.switchover))
        let stopped = MonotonicTime.now
        let deadline = stopped + MigrationPolicy.blackoutLimit
        try guardian.perform(GuardianStop(limit: MigrationPolicy.blackoutLimit))
        CrashPoint.reach(.sourceStopped)
        let comparison = MemoryComparison(request: request, link: link, image: image)
        var digest = try sendRest(&preCopy, guardian, noting: &stateBytes)
        let sent = MonotonicTime.now
        if verification == .full { digest = try comparison.stateMemory(before: deadline) }
        let ready = try comparison.waitForReady(deadline: deadline)
        let readyAt = MonotonicTime.now
        CrashPoint.reach(.sourceReadyHeard)
        try commit(ready, digest, guardian)
        CrashPoint.reach(.sourceReleased)
        let (owner, acknowledgedAt) = try giveToken(digest, guardian)
        CrashPoint.reach(.sourceAcknowledged)
        let resumedAt = min(acknowledgedAt, link.clock?.latest(owner.resumedAt) ?? acknowledgedAt)
        var downtime = Downtime()
        downtime.finalPages = sent - stopped
        downtime.deviceState = readyAt - sent
        downtime.resume = owner.resume
        downtime.commit = max(.zero, resumedAt - readyAt - owner.resume)
        let isClean = cleanUp(guardian)
        return Outcome(
            downtime: downtime, resumedAt: resumedAt, sourceIsClean: isClean,
            isRunning: !isPaused, audit: audit(comparison),
            reach: owner.measuresReach ? reach(after: acknowledgedAt) : [])
    }

    private var verification: MigrationPolicy.Verification { request.policy.verification }

    /// What the destination has measured, which it does beside all that comes after the commit.
    private func reach(after acknowledged: MonotonicTime) -> [NetworkReach] {
        link.waitForReach(deadline: acknowledged + NetworkReach.limit + Self.reachMargin) ?? []
    }

    /// Compares the memory that the guest has left, which this agent keeps until the move is over.
    ///
    /// Nothing writes it any more, and the records are what they must be, whatever becomes of the
    /// audit: it comes last.
    private func audit(_ comparison: MemoryComparison) -> MemoryComparison.Audit {
        guard verification == .audit else { return .notAsked }
        events.sendIfPossible(PhaseMessage(.audit))
        CrashPoint.reach(.sourceAudits)
        return comparison.audit()
    }

    /// Sends the last pages and the device state; returns the digest of all that was sent.
    private func sendRest(
        _ preCopy: inout PreCopy, _ guardian: borrowing GuardianClient,
        noting seenBytes: inout UInt64?
    ) throws(LivemigError) -> Bits128 {
        _ = try preCopy.sendRest()
        CrashPoint.reach(.sourceLastPagesClaimed)
        let stateBytes = try sendDeviceState(guardian)
        seenBytes = stateBytes
        CrashPoint.reach(.sourceStateSaved)
        try preCopy.waitUntilSent()
        // What the hypervisor wrote to guest RAM while it saved its devices.
        if try preCopy.sendRest() > 0 { try preCopy.waitUntilSent() }
        CrashPoint.reach(.sourceAllSent)
        let digest = board.digest.bits
        try link.sink.send(
            Final(
                attempt: request.attempt, rounds: preCopy.rounds, stateBytes: stateBytes,
                digest: digest, resume: !isPaused, verification: verification))
        CrashPoint.reach(.sourceFinalSent)
        return digest
    }

    private func sendDeviceState(
        _ guardian: borrowing GuardianClient
    ) throws(LivemigError) -> UInt64 {
        let link = link
        return try DeviceStateStream.save(guardian) { (bytes) throws(LivemigError) in
            try link.sink.send(DeviceState(bytes: bytes))
        }
    }

    /// The commit point: from here on the guest is the destination's.
    private func commit(
        _ ready: Ready, _ digest: Bits128, _ guardian: borrowing GuardianClient
    ) throws(LivemigError) {
        try control.commit()
        do throws(LivemigError) {
            try guardian.perform(
                GuardianRelease(attempt: request.attempt, ready: ready.digest, own: digest))
        } catch {
            try reclaim(after: error, guardian)
        }
        events.sendIfPossible(PhaseMessage(.committed))
    }

    /// Sends the token until the destination says that it owns the guest.
    private func giveToken(
        _ digest: Bits128, _ guardian: borrowing GuardianClient
    ) throws(LivemigError) -> (OwnerAcknowledged, at: MonotonicTime) {
        let patience = MonotonicTime.now + HandoffLimits.acknowledgement
        do throws(LivemigError) {
            while MonotonicTime.now < patience {
                try link.sink.send(Token(attempt: request.attempt, digest: digest))
                CrashPoint.reach(.sourceTokenSent)
                let next = MonotonicTime.now + HandoffLimits.tokenInterval
                if let answer = try link.waitForAcknowledgement(deadline: next) { return answer }
            }
            throw LivemigError(
                .inTransfer,
                "no acknowledgement of the token in \(HandoffLimits.acknowledgement.brief)",
                at: request.peer.name)
        } catch {
            try reclaim(after: error, guardian)
        }
    }

    /// After the commit only the destination's durable refusal brings the guest back.
    private func reclaim(
        after error: LivemigError, _ guardian: borrowing GuardianClient
    ) throws(LivemigError) -> Never {
        if link.isRefused {
            try guardian.perform(GuardianReclaim(attempt: request.attempt))
        }
        throw error
    }

    /// Destroys the source's copy; `false` when that cannot be confirmed.
    private func cleanUp(_ guardian: borrowing GuardianClient) -> Bool {
        do throws(LivemigError) {
            try guardian.perform(GuardianFinish(attempt: request.attempt))
            let ended = try Poll.wait([.init(guardian.descriptor)], timeout: .seconds(10))
            CrashPoint.reach(.sourceCleaned)
            return !ended.isEmpty
        } catch {
            return false
        }
    }
}
