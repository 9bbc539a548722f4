import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel

/// The right to track a guest's writes: one at a time, for the kernel lets one userfaultfd only
/// register a range (userfaultfd(2), `UFFDIO_REGISTER`, EBUSY).
///
/// It is the lock on the VM's folder, which ends with the process that has it.
struct TrackingTurn {
    private let lock: MoveSlot

    /// How long a move waits for a measurement, which takes less.
    private static let patience: Duration = .seconds(10)
    /// How often it looks.
    private static let interval: Duration = .milliseconds(10)

    private init(_ folder: MachineFolder) throws(LivemigError) {
        lock = MoveSlot(
            try OwnedDescriptor.open(folder.path, O_RDONLY | O_DIRECTORY, as: .root),
            path: folder.path)
    }

    /// Waits until whoever measures the guest is done.
    /// - Throws: `E-BUSY` when that takes too long.
    static func waiting(for folder: MachineFolder) throws(LivemigError) -> TrackingTurn {
        let turn = try TrackingTurn(folder)
        let deadline = MonotonicTime.now + patience
        while try !turn.lock.tryLock() {
            guard MonotonicTime.now < deadline else { throw busy(folder) }
            _ = try Poll.wait([], timeout: interval)
        }
        return turn
    }

    /// Takes the turn if nobody has it.
    /// - Throws: `E-BUSY`.
    static func now(for folder: MachineFolder) throws(LivemigError) -> TrackingTurn {
        let turn = try TrackingTurn(folder)
        guard try turn.lock.tryLock() else { throw busy(folder) }
        return turn
    }

    /// Lets others track.
    func end() { lock.end() }

    private static func busy(_ folder: MachineFolder) -> LivemigError {
        LivemigError(
            .busy, "the guest is being moved or measured", at: folder.path,
            fix: "wait for its end: livemig status")
    }
}
