import MigrationModel
import QEMU

/// What of a definition can be moved live at all; asked before anything is touched.
enum MoveRules {
    /// - Throws: `E-CACHE` or `E-DISK` naming the disk that stands in the way.
    static func check(_ definition: VMDefinition) throws(LivemigError) {
        guard definition.kind != .synthetic else { return }
        for disk in definition.disks { try DiskMoveRules.check(disk) }
    }
}
