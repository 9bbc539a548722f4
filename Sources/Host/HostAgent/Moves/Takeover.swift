import CrashPoints
import FrameTransport
import Guardian
import Handoff
import Hypervisor
import Journal
import LinuxSystem
import MigrationEngine
import MigrationModel
import Ownership
import PageCodec
import WireProtocol

/// The steps of the destination once its lanes are there: what the link says, in order.
struct Takeover {
    let attempt: Attempt
    let place: String
    /// The VM's folder on this host.
    let folder: MachineFolder

    /// What has come so far.
    struct Progress {
        var state: [UInt8] = []
        var final: Final?
        /// What hashing this host's copy anew gave, for the source's digest to be compared with.
        var fresh: FreshHashes?
        /// Which pages differ, while the source's hashes come.
        var comparison: PageComparison?
        /// What both hosts agree on; the record says RDY once it is there.
        var digest: Bits128?
        var isOwner = false

        /// Whether the guest still runs on the source, as far as is known.
        var isStateAwaited: Bool { state.isEmpty && final == nil }
    }

    /// Serves the link until the guest is owned and the source has gone, or the attempt is given
    /// up.
    func run(
        _ session: DestinationSession, _ guardian: borrowing GuardianClient
    ) throws(LivemigError) {
        guard let sink = session.sink, let link = session.link else { return }
        var progress = Progress()
        do throws(LivemigError) {
            while true {
                guard try waitForFrame(on: link.descriptor, session, guardian, progress) else {
                    break
                }
                guard let frame = try session.receive() else { break }
                if try take(frame, session, guardian, sink, &progress) { return }
            }
            guard progress.isOwner else {
                throw LivemigError(.disconnected, "the source ended the connection", at: place)
            }
        } catch {
            try giveUp(error, guardian, sink, progress)
        }
    }

    /// Why a guest has ended, where its guardian says so.
    private static func end(of guardian: borrowing GuardianClient) -> LivemigError {
        do throws(LivemigError) {
            _ = try guardian.receive().decode(GuardianState.self)
        } catch {
            if error.code == .memory { return error }
        }
        return LivemigError(.destinationQEMU, "the guest's process ended on the destination")
    }

    /// Waits for the source, for as long as it may be silent.
    ///
    /// A ready copy waits without limit, unless the right has come to it, or the refusal, in
    /// another way: a recovery asks the guardian. A guest that is this host's may end whenever it
    /// likes.
    /// - Returns: `false` when nothing more needs to come.
    private func waitForFrame(
        on link: CInt, _ session: DestinationSession, _ guardian: borrowing GuardianClient,
        _ progress: Progress
    ) throws(LivemigError) -> Bool {
        let interests = [link] + (progress.isOwner ? [] : [guardian.descriptor])
        var limit = HandoffLimits.linkSilence
        var silence = MonotonicTime.now
        while true {
            let patience = max(.zero, limit - silence.elapsed)
            let isWaiting = progress.isStateAwaited && session.network.isWaiting
            let ready = try Poll.wait(
                interests.map { .init($0) },
                timeout: isWaiting ? min(patience, PortWatch.interval) : patience)
            if ready.contains(guardian.descriptor), !ready.contains(link) {
                throw Self.end(of: guardian)
            }
            guard ready.isEmpty else { return true }
            if isWaiting, let sink = session.sink { try session.network.look(telling: sink) }
            guard silence.elapsed >= limit else { continue }
            if progress.isOwner { return false }
            // On a slow path the lanes may leave the link no turn for long.
            silence = .now
            if let more = session.board.activity.remaining(of: HandoffLimits.linkSilence) {
                limit = more
                continue
            }
            limit = HandoffLimits.linkSilence
            guard progress.digest != nil, isUndecided else {
                throw LivemigError(
                    .stall, "nothing from the source for \(HandoffLimits.linkSilence.brief)")
            }
        }
    }

    /// Whether the copy is ready and still waits for the right.
    private var isUndecided: Bool {
        guard case .ready(attempt, _) = try? Journal.peek(folder.record)?.right else {
            return false
        }
        return true
    }

    /// Takes a message in; `true` when the attempt is over.
    private func take(
        _ frame: Frame, _ session: DestinationSession, _ guardian: borrowing GuardianClient,
        _ sink: FrameSink, _ progress: inout Progress
    ) throws(LivemigError) -> Bool {
        switch frame.type {
        case .clockProbe:
            try session.answer(try frame.decode(ClockProbe.self), to: sink)
            if progress.isStateAwaited { try session.network.look(telling: sink) }
        case .deviceState:
            guard progress.final == nil else {
                throw LivemigError(.wire, "device state came after the end of the copy", at: place)
            }
            progress.state += try frame.decode(DeviceState.self).bytes
            guard progress.state.count <= WireLimits.deviceState else {
                throw LivemigError(.wire, "the device state is too long", at: place)
            }
        case .final:
            try finish(try frame.decode(Final.self), session, guardian, sink, &progress)
        case .imageHashed:
            try compare(try frame.decode(), session, guardian, sink, &progress)
        case .pageHashes: try collect(try frame.decode(), session, sink, &progress)
        case .token: try own(try frame.decode(Token.self), session, guardian, sink, &progress)
        case .abort:
            guard try frame.decode(Abort.self).attempt == attempt else { return false }
            try giveUp(
                LivemigError(.cancelled, "the source gave the attempt up", at: place), guardian,
                sink, progress)
        default: throw LivemigError(.wire, "\(WireError.type(frame.type.rawValue))", at: place)
        }
        return false
    }

    /// All is sent: compares memory as far as that can be done now, and gets ready.
    private func finish(
        _ final: Final, _ session: DestinationSession, _ guardian: borrowing GuardianClient,
        _ sink: FrameSink, _ progress: inout Progress
    ) throws(LivemigError) {
        CrashPoint.reach(.destinationFinalHeard)
        guard final.attempt == attempt, progress.final == nil else {
            throw LivemigError(.migrationID, "FINAL of another attempt", at: place)
        }
        guard final.stateBytes == UInt64(progress.state.count) else {
            throw LivemigError(
                .wire, "\(progress.state.count) of \(final.stateBytes) bytes of device state came")
        }
        let placed = try session.board.waitUntilPlaced(
            rounds: final.rounds, deadline: .now + HandoffLimits.lastPages
        ).bits
        progress.final = final
        switch final.verification {
        case .frame: try makeReady(final.digest, guardian, sink, &progress)
        case .pages, .audit:
            guard placed == final.digest else { return try askForHashes(sink, &progress) }
            try makeReady(placed, guardian, sink, &progress)
        case .full:
            // Before the device state is loaded: loading it may write guest memory.
            progress.fresh = try session.image.hashAnew()
        }
    }

    /// Loads the device state, and says READY once that is durable.
    func makeReady(
        _ digest: Bits128, _ guardian: borrowing GuardianClient, _ sink: FrameSink,
        _ progress: inout Progress
    ) throws(LivemigError) {
        CrashPoint.reach(.destinationCompared)
        try DeviceStateStream.load(progress.state, guardian)
        CrashPoint.reach(.destinationLoaded)
        try guardian.perform(GuardianReady(attempt: attempt, digest: digest))
        CrashPoint.reach(.destinationReady)
        progress.state = []
        progress.digest = digest
        try sink.send(Ready(attempt: attempt, digest: digest))
        CrashPoint.reach(.destinationReadySent)
    }

    /// The token: from now on the guest is this host's.
    ///
    /// Sent again, it is acknowledged again.
    private func own(
        _ token: Token, _ session: DestinationSession, _ guardian: borrowing GuardianClient,
        _ sink: FrameSink,
        _ progress: inout Progress
    ) throws(LivemigError) {
        CrashPoint.reach(.destinationTokenHeard)
        guard token.attempt == attempt, token.digest == progress.digest,
            let final = progress.final
        else {
            throw LivemigError(.migrationID, "the token of another attempt", at: place)
        }
        let resumed = try guardian.request(
            GuardianOwn(attempt: attempt, digest: token.digest, resume: final.resume),
            for: GuardianResumed.self)
        progress.isOwner = true
        let isMeasured =
            final.resume
            && session.network.measure(since: MonotonicTime(nanoseconds: resumed.at), for: sink)
        CrashPoint.reach(.destinationOwns)
        try sink.send(
            OwnerAcknowledged(
                attempt: attempt, resumedAt: resumed.at, resume: resumed.took,
                measuresReach: isMeasured))
        CrashPoint.reach(.destinationAcknowledged)
        DeviceStateSize.keep(final.stateBytes, in: folder)
    }

    /// Gives the attempt up unless the guest is this host's, or may become so.
    private func giveUp(
        _ error: LivemigError, _ guardian: borrowing GuardianClient, _ sink: FrameSink,
        _ progress: Progress
    ) throws(LivemigError) -> Never {
        let farewell = Farewell(
            after: error, isOwner: progress.isOwner, isReady: progress.digest != nil)
        guard farewell == .discard, isGivenUp(guardian) else {
            sink.sendIfPossible(FailureMessage(error))
            throw error
        }
        sink.sendIfPossible(Aborted(attempt: attempt, reason: error))
        throw error
    }

    /// Gives the attempt up; `true` when the record says so, which alone the source may hear of.
    private func isGivenUp(_ guardian: borrowing GuardianClient) -> Bool {
        do throws(LivemigError) {
            try guardian.perform(GuardianDiscard(attempt: attempt))
            return true
        } catch {
            // One that owns the guest does, whatever the record seems to say; one whose hypervisor
            // ended has given it up by itself.
            guard error.code != .tooLate else { return false }
            let right = try? Journal.peek(folder.record)?.right
            return right == .aborted(attempt)
        }
    }
}
