import Glibc
public import LinuxSystem
public import MigrationModel

/// The files that a hypervisor has open.
///
/// A name may lead to another file than the one that was opened under it: images are replaced by
/// copies, removed, or hidden by a mount while their guest runs.
public struct HeldFiles: Sendable {
    private struct Identity: Hashable {
        let device: dev_t
        let inode: ino_t

        init(_ status: stat) { (device, inode) = (status.st_dev, status.st_ino) }
    }

    private let process: Int32
    private var files: Set<Identity> = []

    /// Looks at a process (proc(5), `/proc/PID/fd`); `nil` where it has ended or may not be looked at.
    public init?(of process: ProcessIdentity) {
        guard process.condition == .alive,
            let names = try? FolderListing.names(in: "/proc/\(process.id)/fd")
        else { return nil }
        self.process = process.id
        for name in names {
            var status = stat()
            guard unsafe stat("/proc/\(process.id)/fd/\(name)", &status) == 0,
                status.st_mode & S_IFMT == S_IFREG
            else { continue }
            files.insert(Identity(status))
        }
        // A number that stands for another process by now says nothing.
        guard process.condition == .alive else { return nil }
    }

    /// Whether its program is no longer on disk, as after an update: what the host has now may be of
    /// another release (proc(5), `/proc/PID/exe`).
    public var isProgramGone: Bool {
        FoundFile.target(of: "/proc/\(process)/exe")?.hasSuffix(" (deleted)") ?? false
    }

    /// The image of a disk, or one below it, that is not the guest's own.
    ///
    /// - Parameters:
    ///   - disk: a disk of the running guest.
    ///   - chain: what its path leads to now.
    /// - Returns: an error `E-DISK`; `nil` where the guest has all of them open.
    public func finding(_ disk: VMDefinition.Disk, _ chain: ImageChain) -> Finding? {
        let other = chain.members.first { member in
            var status = stat()
            return unsafe fstat(member.file.descriptor.number, &status) == 0
                && !files.contains(Identity(status))
        }
        guard let other else { return nil }
        return Finding(
            .error(.disk), "the guest has another file open than the one that is there now",
            at: "disk \(disk.target) (\(other.path.escaped()))",
            fix: "what the guest writes is in the file that it has open "
                + "(ls -l /proc/\(process)/fd); put that one back before the guest is stopped")
    }
}
