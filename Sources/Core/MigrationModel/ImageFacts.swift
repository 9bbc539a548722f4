/// What a host sees of a disk's image, to tell whether another sees the same file.
public struct ImageFacts: Hashable, Sendable {
    /// The name of the disk in the definition, such as `vda`.
    public let target: String
    /// The path in the definition.
    public let path: String
    /// The size of the disk, in bytes; that of the file where the image is raw.
    public let size: UInt64
    /// The file's number in its file system.
    public let inode: UInt64

    /// States what is seen.
    public init(target: String, path: String, size: UInt64, inode: UInt64) {
        self.target = target
        self.path = path
        self.size = size
        self.inode = inode
    }
}
