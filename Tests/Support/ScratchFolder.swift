import Glibc
import LinuxSystem
public import MigrationModel

/// A folder of mode 0700 for one test, removed with everything in it.
public final class ScratchFolder: Sendable {
    /// The folder, without a trailing slash.
    public let path: String

    /// Makes a new folder in `$TMPDIR`, else in `/var/tmp`, which is on a disk where `/tmp` is not.
    /// - Throws: `E-IO` when it cannot be made.
    public init() throws(LivemigError) {
        let base = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/var/tmp"
        path = "\(base)/livemig-\(UInt64.random(in: .min ... .max).hexadecimal)"
        try SystemCall.check("mkdir", at: path) { unsafe mkdir(path, 0o700) }
    }

    deinit { Self.remove(path) }

    /// The path of a file in the folder.
    public func path(_ name: String) -> String { path + "/" + name }

    /// Writes a new file.
    public func write(_ text: String, to name: String, mode: UInt32 = 0o600) throws(LivemigError) {
        let file = try OwnedDescriptor.open(path(name), O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
        try DescriptorIO.write(Array(text.utf8), to: file.number, at: path(name))
    }

    /// A file's text, at most 1 MiB of it; empty when there is none.
    public func read(_ name: String) -> String {
        guard let file = try? OwnedDescriptor.open(path(name), O_RDONLY) else { return "" }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = unsafe bytes.withUnsafeMutableBytes {
            (try? unsafe DescriptorIO.readFully(into: $0, from: file.number)) ?? 0
        }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    private static func remove(_ path: String) {
        if unsafe unlink(path) == 0 { return }
        if let folder = unsafe opendir(path) {
            while let entry = unsafe readdir(folder) {
                let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) {
                    unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { remove(path + "/" + name) }
            }
            unsafe closedir(folder)
        }
        unsafe rmdir(path)
    }
}
