import Glibc
import LinuxSystem

/// What the kernel says of a network interface (Documentation/ABI/testing/sysfs-class-net).
enum InterfaceFile {
    /// The first line of a file; `nil` where there is none.
    static func text(_ file: String, of interface: String) -> String? {
        guard let bytes = bytes(file, of: interface, limit: 64) else { return nil }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// The beginning of a file; `nil` where there is none.
    static func bytes(_ file: String, of interface: String, limit: Int) -> [UInt8]? {
        guard
            let file = try? OwnedDescriptor.open("/sys/class/net/\(interface)/\(file)", O_RDONLY)
        else { return nil }
        return try? DescriptorIO.readFully(upTo: limit, from: file.number)
    }
}
