import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel

/// What a guest wrote to its first serial port: a file that is kept short, and the one before it.
///
/// A guest may print megabytes a second, and the file system also holds records and saved guests.
/// Used by one thread at a time.
final class ConsoleLog {
    /// The longest file, in bytes; there are at most two of them.
    static let limit = 1 << 20

    private let path: String
    private let previous: String
    private var file: OwnedDescriptorBox?
    private var size = 0

    /// Appends to a file, which is made when the guest writes something.
    init(_ folder: MachineFolder) {
        path = folder.consoleLog
        previous = folder.previousConsoleLog
    }

    /// Appends what the guest wrote; what the file system does not take is lost.
    func append(_ bytes: ArraySlice<UInt8>) {
        if size + bytes.count > Self.limit { rotate() }
        guard let file = file ?? open() else { return }
        self.file = file
        guard (try? DescriptorIO.write(Array(bytes), to: file.descriptor.number)) != nil else {
            return
        }
        size += bytes.count
    }

    private func open() -> OwnedDescriptorBox? {
        guard
            let file = try? PrivateFile.open(
                path, O_WRONLY | O_CREAT | O_APPEND, exposure: .readable, as: .io)
        else { return nil }
        size = max(0, Int(lseek(file.number, 0, SEEK_END)))
        let box = OwnedDescriptorBox(file)
        guard size < Self.limit else {
            self.file = box
            rotate()
            return open()
        }
        return box
    }

    private func rotate() {
        if unsafe rename(path, previous) != 0, let file {
            _ = ftruncate(file.descriptor.number, 0)
        }
        file = nil
        size = 0
    }
}

/// What a hypervisor prints: a file that it appends to by itself, cut when it grows too long.
enum HypervisorLog {
    /// The longest file that is left alone, in bytes.
    static let limit = 1 << 20

    /// Cuts the file down to its last part.
    ///
    /// The hypervisor's next message follows that (open(2),
    /// `O_APPEND`).
    static func cut(_ path: String) {
        guard let file = try? OwnedDescriptor.open(path, O_RDWR) else { return }
        let size = lseek(file.number, 0, SEEK_END)
        guard size > limit else { return }
        let kept = (try? tail(of: file.number, from: size - off_t(keptSize))) ?? []
        guard ftruncate(file.number, 0) == 0 else { return }
        _ = lseek(file.number, 0, SEEK_SET)
        try? DescriptorIO.write(kept, to: file.number)
    }

    private static func tail(of file: CInt, from start: off_t) throws(LivemigError) -> [UInt8] {
        _ = lseek(file, start, SEEK_SET)
        return try DescriptorIO.readFully(upTo: keptSize, from: file)
    }

    private static let keptSize = 16 << 10
}
