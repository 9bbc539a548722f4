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

    /// What a link of proc(5) points to; empty when the process has gone.
    public static func target(_ path: String) -> String {
        var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            guard let start = buffer.baseAddress else { return 0 }
            return unsafe readlink(path, start, buffer.count)
        }
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}
