import GuestFiles
import LinuxSystem
import MigrationModel

/// The files that a definition names, by their numbers in QEMU.
public struct FileNumbers: Hashable, Sendable {
    /// An image, in the chain of a disk.
    struct Image: Hashable, Sendable {
        let number: CInt
        let format: VMDefinition.Disk.Format
    }

    /// The images of each disk, the one that the guest writes to first.
    var disks: [[Image]] = []
    var kernel: CInt?
    var initrd: CInt?
    var loader: CInt?
    var random: CInt?
    /// Our descriptors by their numbers in QEMU.
    private(set) var descriptors: [CInt: CInt] = [:]
    /// What QEMU calls the files, and their paths.
    private(set) var names: [String: String] = [:]

    /// No file.
    public init() {}

    /// Numbers files in the same order on every host.
    init(_ files: OpenedFiles, from first: CInt) {
        var next = first
        func number(_ descriptor: CInt?) -> CInt? {
            guard let descriptor else { return nil }
            defer { next += 1 }
            descriptors[next] = descriptor
            return next
        }
        kernel = number(files.kernel?.descriptor.number)
        initrd = number(files.initrd?.descriptor.number)
        loader = number(files.loader?.descriptor.number)
        random = number(files.random?.descriptor.number)
        for chain in files.disks {
            disks.append(
                chain.members.compactMap { member in
                    number(member.file.descriptor.number).map { own in
                        names["/dev/fdset/\(own)"] = member.path
                        return Image(number: own, format: member.format)
                    }
                })
        }
    }

    /// What QEMU opens by `/dev/fdset` (qemu(1), `-add-fd`): the kernel and firmware are read by
    /// other parts of it, which know no sets.
    var sets: [CInt] { disks.flatMap { $0.map(\.number) } + [random].compactMap { $0 } }
}
