import CLinux
import LinuxSystem
public import MigrationModel

/// What a record may be kept on.
public enum RecordMedium: Hashable, Sendable {
    /// A file system of this host that keeps what was synced through a loss of power.
    case durable
    /// Whatever is there: a host whose operator accepts the loss of its records, or a record that
    /// exists.
    case any

    /// Insists that a folder is on such a medium.
    /// - Throws: `E-JOURNAL` naming the file system.
    public func require(forFolder path: String) throws(LivemigError) {
        guard self == .durable else { return }
        var magic: UInt32 = 0
        try SystemCall.checkNegated("statfs", at: path, as: .journal) {
            unsafe clinux_file_system(path, &magic)
        }
        guard let weakness = Self.weaknesses[magic] else { return }
        throw LivemigError(
            .journal, "the record would be on \(weakness)", at: path,
            fix: "put the root on a local disk; where records may be lost, make the file "
                + "allow-volatile-records in the root")
    }

    /// File systems by their magic numbers (statfs(2), linux/magic.h).
    private static let weaknesses: [UInt32: String] = [
        0x0102_1994: "tmpfs, which is empty after a boot",
        0x8584_58f6: "ramfs, which is empty after a boot",
        0x0000_6969: "NFS, which other hosts may write",
        0xff53_4d42: "CIFS, which other hosts may write",
        0xfe53_4d42: "SMB, which other hosts may write",
        0x00c3_6400: "Ceph, which other hosts may write",
        0x5346_414f: "AFS, which other hosts may write",
        0x0102_1997: "9P, which belongs to another machine",
    ]
}
