import Glibc
import LinuxSystem
import MigrationModel

/// What the kernel says about the mappings of a process (proc(5), `/proc/PID/maps`).
enum ProcessMaps {
    /// The most of a file of mappings that is read, in bytes.
    private static let sizeLimit = 16 << 20

    /// Whether a process has a memory file mapped, whole, from its start, at an address.
    static func has(
        _ memory: borrowing GuestMemoryFile, at address: UInt64, length: UInt64, in process: Int32
    ) -> Bool {
        var file = stat()
        let (end, isBeyond) = address.addingReportingOverflow(length)
        guard unsafe fstat(memory.descriptor.number, &file) == 0, !isBeyond,
            length == memory.size.bytes,
            let text = ProcessFile.read("/proc/\(process)/maps", limit: sizeLimit)
        else { return false }
        let device = "\(hexadecimal(major(file.st_dev))):\(hexadecimal(minor(file.st_dev)))"
        var position = address
        for line in text.split(separator: "\n") where position < end {
            guard let mapping = Mapping(line), mapping.start == position else { continue }
            guard mapping.device == device, mapping.inode == UInt64(file.st_ino),
                mapping.offset == position - address
            else { return false }
            position = mapping.end
        }
        return position == end
    }

    /// One line.
    private struct Mapping {
        let start, end, offset, inode: UInt64
        let device: Substring

        init?(_ line: Substring) {
            let words = line.split(separator: " ", maxSplits: 5)
            guard words.count >= 5, let dash = words[0].firstIndex(of: "-"),
                let start = UInt64(words[0][..<dash], radix: 16),
                let end = UInt64(words[0][words[0].index(after: dash)...], radix: 16),
                let offset = UInt64(words[2], radix: 16), let inode = UInt64(words[4])
            else { return nil }
            (self.start, self.end, self.offset, self.inode) = (start, end, offset, inode)
            device = words[3]
        }
    }

    /// At least two digits, as the kernel writes them.
    private static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return digits.utf8.count < 2 ? "0" + digits : digits
    }

    /// The parts of a device number as the C library packs them (makedev(3)).
    private static func major(_ device: dev_t) -> UInt64 {
        let device = UInt64(device)
        return device >> 8 & 0xFFF | device >> 32 & ~0xFFF
    }

    private static func minor(_ device: dev_t) -> UInt64 {
        let device = UInt64(device)
        return device & 0xFF | device >> 12 & 0xFFFF_FF00
    }
}
