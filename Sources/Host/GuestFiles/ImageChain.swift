import CLinux
import Glibc
import Hypervisor
public import LinuxSystem
public import MigrationModel
import SystemPackage

/// An image of a disk with all that is below it, opened: what QEMU gets, and nothing else.
public struct ImageChain: Sendable {
    /// One image, open.
    public struct Member: Sendable {
        /// Its real path, for errors.
        public let path: String
        /// Its format.
        public let format: VMDefinition.Disk.Format
        /// The open file.
        public let file: OwnedDescriptorBox
        /// The size of the disk, in bytes.
        public let size: UInt64
        /// The size of the file, in bytes.
        public let fileSize: UInt64
        /// How much of it the file system keeps, in bytes.
        public let allocated: UInt64
        /// Its number in the file system.
        public let inode: UInt64
        /// Who else sees its file system.
        public let reach: ImageFacts.Reach
    }

    /// The image that the guest writes to, then the one below it, and so on.
    public let members: [Member]

    /// What this host sees of the image that the guest writes to, and of those below it, which are
    /// only read.
    public func facts(of disk: VMDefinition.Disk) -> [ImageFacts] {
        members.enumerated().map { level, image in
            ImageFacts(
                target: disk.target, path: image.path, size: image.size, inode: image.inode,
                reach: image.reach, isReadOnly: disk.readOnly || level > 0)
        }
    }

    /// The most images in a chain.
    public static let limit = 64
}

extension GuestFileRules {
    /// Opens the image of a disk and all that is below it.
    ///
    /// The images below are opened to read only.
    /// - Throws: `E-FORBIDDEN` for a place that is not allowed, `E-DISK` for an image that is missing,
    ///   cannot be opened, or is not what it should be.
    public func open(_ disk: VMDefinition.Disk) throws(LivemigError) -> ImageChain {
        var members: [ImageChain.Member] = []
        var (path, format) = (disk.path, disk.format)
        while true {
            let isTop = members.isEmpty
            let what = isTop ? "disk \(disk.target)" : "a backing file of disk \(disk.target)"
            guard let found = try find(path, .image, what) else {
                throw LivemigError(
                    .disk, "\(what) is not there", at: path,
                    fix: "both hosts must see the image under the same path")
            }
            let access = isTop && !disk.readOnly ? O_RDWR : O_RDONLY
            let file: OwnedDescriptor
            do throws(LivemigError) {
                file = try found.open(access, orAs: user, as: .disk)
            } catch {
                throw LivemigError(.disk, "\(what): \(error.what)", at: path, fix: error.fix)
            }
            // Waiting belongs to whoever reads and writes.
            let number = file.number
            _ = fcntl(number, F_SETFL, fcntl(number, F_GETFL) & ~O_NONBLOCK)
            let header = format == .qcow2 ? try Self.header(of: file, at: path) : nil
            members.append(
                ImageChain.Member(
                    path: path, format: format, file: OwnedDescriptorBox(file),
                    size: header?.size ?? UInt64(clamping: found.status.st_size),
                    fileSize: UInt64(clamping: found.status.st_size),
                    allocated: UInt64(clamping: found.status.st_blocks) &* 512,
                    inode: UInt64(found.status.st_ino), reach: Self.reach(of: number)))
            guard let backing = header?.backing else { return ImageChain(members: members) }
            guard members.count < ImageChain.limit else {
                throw LivemigError(
                    .disk, "more than \(ImageChain.limit) images are below each other",
                    at: disk.path)
            }
            // Relative to the folder of the name, as QEMU has it, not of the link's end.
            path = backing.name.hasPrefix("/") ? backing.name : Self.folder(of: path) + backing.name
            format = backing.format
        }
    }

    private static func folder(of path: String) -> Substring {
        path[...(path.lastIndex(of: "/") ?? path.startIndex)]
    }

    private static func reach(of file: CInt) -> ImageFacts.Reach {
        var magic: UInt32 = 0
        let result = unsafe clinux_file_system("/proc/self/fd/\(file)", &magic)
        return result < 0 ? .unknown : ImageFacts.Reach(magic: magic)
    }

    private static func header(
        of file: borrowing OwnedDescriptor, at place: String
    ) throws(LivemigError) -> ImageHeader {
        var bytes = [UInt8](repeating: 0, count: ImageHeader.limit)
        let number = file.number
        let count = unsafe pread(number, &bytes, bytes.count, 0)
        guard count >= 0 else {
            throw SystemCall.failure("read", .init(rawValue: errno), at: place, as: .disk)
        }
        return try ImageHeader(Array(bytes.prefix(count)), at: place)
    }
}
