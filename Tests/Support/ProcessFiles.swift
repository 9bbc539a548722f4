import Glibc
import LinuxSystem

/// Files of proc(5).
public enum ProcessFiles {
    /// A file of proc(5), with zero bytes as spaces; empty when the process has gone.
    public static func text(_ path: String) -> String {
        guard let file = try? OwnedDescriptor.open(path, O_RDONLY),
            let bytes = try? DescriptorIO.readFully(upTo: 64 << 10, from: file.number)
        else { return "" }
        return String(decoding: bytes.map { $0 == 0 ? 32 : $0 }, as: UTF8.self)
    }
}
