import Guardian
import GuestMemory
import Hypervisor
import MigrationModel

/// Makes sure that a guest's written pages can be found, before anyone relies on it.
enum PreloadProof {
    /// Starts tracking on a guest that has just been started, and ends it again.
    ///
    /// On a kernel that cannot track, the guest runs all the same; a move is refused by name then.
    static func check(
        _ folder: MachineFolder, _ guardian: borrowing GuardianClient
    ) throws(LivemigError) {
        guard TrackingSupport.ofThisProcess.isComplete else { return }
        let memory = try GuestMemoryFile(adopting: try guardian.memory())
        let turn = try TrackingTurn.waiting(for: folder)
        defer { turn.end() }
        var tracker = try DirtyTracker(
            try folder.startTracking(of: memory), pageCount: memory.pageCount)
        var pages = PageBitmap(pageCount: memory.pageCount)
        try tracker.harvest(into: &pages)
    }
}
