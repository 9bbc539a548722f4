/// What a host sees of a disk's image.
public struct ImageFacts: Hashable, Sendable {
    /// The name of the disk in the definition, such as `vda`.
    public let target: String
    /// The path in the definition.
    public let path: String
    /// The size of the disk, in bytes; that of the file where the image is raw.
    public let size: UInt64
    /// The file's number in its file system.
    public let inode: UInt64
    /// Who else can see the file.
    public let reach: Reach
    /// Whether the guest may only read the disk.
    public let isReadOnly: Bool

    /// Who sees the files of a file system.
    public enum Reach: UInt8, Hashable, Sendable, CaseIterable {
        /// Nobody can say: a file system in user space, or one that may make file numbers up.
        case unknown = 0
        /// The host alone, unless it exports them.
        case local = 1
        /// Other hosts as well, under the same file numbers.
        case shared = 2

        /// Judges a file system by its magic number (statfs(2), linux/magic.h).
        public init(magic: UInt32) {
            self = Self.known[magic] ?? .unknown
        }

        private static let known: [UInt32: Reach] = [
            0x0000_ef53: .local,  // ext2, ext3, ext4
            0x5846_5342: .local,  // XFS
            0x9123_683e: .local,  // Btrfs
            0xf2f5_2010: .local,  // F2FS
            0x2fc1_2fc1: .local,  // ZFS
            0xca45_1a4e: .local,  // bcachefs
            0x794c_7630: .local,  // overlay
            0x0102_1994: .local,  // tmpfs
            0x8584_58f6: .local,  // ramfs
            0x0000_6969: .shared,  // NFS
            0x00c3_6400: .shared,  // Ceph
            0x0116_1970: .shared,  // GFS2
            0x7461_636f: .shared,  // OCFS2
            0x0bd0_0bd0: .shared,  // Lustre
            0x4750_4653: .shared,  // GPFS
        ]
    }

    /// Whether it is the same name of the same disk.
    public func isNamed(like other: ImageFacts) -> Bool {
        target == other.target && path == other.path
    }

    /// States what is seen.
    public init(
        target: String, path: String, size: UInt64, inode: UInt64, reach: Reach = .unknown,
        isReadOnly: Bool = false
    ) {
        self.target = target
        self.path = path
        self.size = size
        self.inode = inode
        self.reach = reach
        self.isReadOnly = isReadOnly
    }
}
