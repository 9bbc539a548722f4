import LinuxSystem
import MigrationEngine
import MigrationModel
import PageCodec
import WireProtocol

/// The source's part in comparing the guest's memory with the copy on the destination.
///
/// The destination compares, since it must not go on with a copy that is not the same; the source
/// states digests and, if they differ, its page hashes. The guest stands still, or has gone.
struct MemoryComparison {
    let request: StartOutgoing
    let link: PeerLink
    let image: SourceImage

    /// What came of an audit.
    enum Audit {
        /// The level has none.
        case notAsked
        /// Everything was compared, with this result.
        case finished(DifferingPages)
        /// The guest runs on the destination, compared as before every commit and no further.
        case unfinished

        /// The level that was reached, and the pages found to differ.
        func result(
            of wanted: MigrationPolicy.Verification
        ) -> (MigrationPolicy.Verification, DifferingPages) {
            switch self {
            case .notAsked: (wanted, DifferingPages())
            case .finished(let differing): (.audit, differing)
            case .unfinished: (.pages, DifferingPages())
            }
        }
    }

    /// How long the destination may take to compare, and to find the pages that differ.
    private static let patience: Duration = .seconds(30)

    /// Insists that there is time to hash guest RAM while the guest stands still, by what it uses
    /// now.
    /// - Throws: `E-BLACKOUT`, before anything is sent, or the guest stopped, in vain.
    static func requireTime(for image: SourceImage) throws(LivemigError) {
        let needed = try image.predictedHashing()
        guard needed >= MigrationPolicy.blackoutLimit else { return }
        throw LivemigError(
            .blackout,
            "hashing the guest's memory would stop it for \(needed.brief), "
                + "\(MigrationPolicy.blackoutLimit.brief) are allowed",
            fix: "use --verify audit, which compares after the guest runs again")
    }

    /// Hashes guest RAM anew, and states its digest.
    ///
    /// - Parameter deadline: before which the guest stands still for certain.
    /// - Throws: `E-BLACKOUT` when hashing took longer: the guest may have written meanwhile.
    func stateMemory(before deadline: MonotonicTime) throws(LivemigError) -> Bits128 {
        let digest = try image.hashAnew().digest.bits
        guard MonotonicTime.now < deadline else {
            throw LivemigError(
                .blackout, "hashing the guest's memory took too long",
                fix: "use --verify audit, which compares after the guest runs again")
        }
        try link.sink.send(ImageHashed(attempt: request.attempt, digest: digest))
        return digest
    }

    /// Waits for READY.
    /// - Throws: `E-VERIFY` with the pages that differ.
    func waitForReady(deadline: MonotonicTime) throws(LivemigError) -> Ready {
        if let ready = try link.waitForReady(deadline: deadline) { return ready }
        do throws(LivemigError) {
            // The guest may run again before all is found: its guardian's deadline goes on, and the
            // hashes change no more.
            try sendHashes()
            _ = try link.waitForReady(deadline: .now + Self.patience, afterHashes: true)
            throw LivemigError(.wire, "READY after the memories were found to differ")
        } catch {
            guard error.code != .verify else { throw error }
            throw LivemigError(
                .verify, "the copy of the guest's memory differs, in pages that were not found",
                at: error.explanation)
        }
    }

    /// Compares the memory that the guest has left with what the destination placed.
    func audit() -> Audit {
        do throws(LivemigError) {
            let digest = try image.hashAnew().digest.bits
            try link.sink.send(ImageHashed(attempt: request.attempt, digest: digest))
            if let found = try link.waitForComparison(deadline: .now + Self.patience) {
                return .finished(found)
            }
            try sendHashes()
            let found = try link.waitForComparison(
                deadline: .now + Self.patience, afterHashes: true)
            return found.map { .finished($0) } ?? .unfinished
        } catch {
            return .unfinished
        }
    }

    /// Sends all hashes that there are, piece by piece.
    private func sendHashes() throws(LivemigError) {
        let (attempt, count) = (request.attempt, UInt64(image.pageCount))
        for first in stride(from: 0, to: count, by: WireLimits.pageHashes) {
            let end = min(first + UInt64(WireLimits.pageHashes), count)
            let hashes = image.hashes(of: first..<end)
            guard hashes.contains(where: { $0 != 0 }) else { continue }
            try link.sink.send(PageHashes(attempt: attempt, first: first, hashes: hashes))
        }
        try link.sink.send(PageHashes(attempt: attempt, first: count, hashes: []))
    }
}
