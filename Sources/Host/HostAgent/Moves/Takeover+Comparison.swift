import CrashPoints
import Guardian
import MigrationEngine
import MigrationModel
import PageCodec
import WireProtocol

/// Comparing memory beyond the digest of what was sent: before READY with the guest stopped, or
/// after the hand-over.
extension Takeover {
    /// The source has hashed its memory anew.
    func compare(
        _ source: ImageHashed, _ session: DestinationSession,
        _ guardian: borrowing GuardianClient, _ sink: FrameSink, _ progress: inout Progress
    ) throws(LivemigError) {
        try require(source.attempt)
        switch progress.final?.verification {
        case .full where progress.digest == nil && progress.comparison == nil:
            guard progress.fresh?.digest.bits == source.digest else {
                return try askForHashes(sink, &progress)
            }
            try makeReady(source.digest, guardian, sink, &progress)
        case .audit where progress.isOwner && progress.comparison == nil:
            CrashPoint.reach(.destinationAudits)
            // The table says what was placed before the guest ran here, and not what it has
            // written since.
            guard session.image.digestOfPlacedContent().bits == source.digest else {
                return try askForHashes(sink, &progress)
            }
            try sink.send(ImageCompared(attempt: attempt, differing: DifferingPages()))
        default: throw LivemigError(.wire, "a digest that was not expected", at: place)
        }
    }

    /// The digests differ: the source's hashes say where.
    func askForHashes(
        _ sink: FrameSink, _ progress: inout Progress
    ) throws(LivemigError) {
        progress.comparison = PageComparison()
        try sink.send(HashesWanted(attempt: attempt))
    }

    /// A piece of the source's hashes; after the last one the differences are known.
    func collect(
        _ piece: PageHashes, _ session: DestinationSession, _ sink: FrameSink,
        _ progress: inout Progress
    ) throws(LivemigError) {
        try require(piece.attempt)
        guard var comparison = progress.comparison else {
            throw LivemigError(.wire, "page hashes that were not asked for", at: place)
        }
        try session.image.compare(piece.hashes, from: piece.first, in: &comparison)
        progress.comparison = comparison
        guard piece.hashes.isEmpty else { return }
        session.image.finish(&comparison)
        guard progress.isOwner else { throw difference(comparison.differing, progress) }
        try sink.send(ImageCompared(attempt: attempt, differing: comparison.differing))
    }

    /// What the operator reads when the memories differ before the commit.
    private func difference(_ pages: DifferingPages, _ progress: Progress) -> LivemigError {
        let changed = progress.fresh.map { fresh in
            fresh.changed == 0
                ? "; none was changed on the destination after it was placed"
                : "; \(fresh.changed) changed on the destination after being placed"
        }
        return LivemigError(
            .verify, "the copy of the guest's memory differs: \(pages)\(changed ?? "")",
            at: place, fix: "the guest runs on; do not trust this pair of hosts, and report it")
    }

    private func require(_ attempt: Attempt) throws(LivemigError) {
        guard attempt == self.attempt else {
            throw LivemigError(.migrationID, "a comparison of another attempt", at: place)
        }
    }
}
