import Glibc
import LinuxSystem
public import MigrationModel

/// A folder of its own for one test, removed with everything in it when its owner goes away.
public struct TestFolder: ~Copyable {
    /// The folder, absolute and without a slash at the end.
    public let path: String

    /// Makes the folder with mode 0700 under `$TMPDIR` or `/tmp`.
    public init() throws(LivemigError) {
        let base = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
        var template = Array((base + "/livemig-test-XXXXXX").utf8CString)
        let made = unsafe mkdtemp(&template) != nil
        guard made else {
            throw LivemigError(.file, "mkdtemp failed with errno \(errno)", at: base)
        }
        path = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.removeAll(path) }

    private static func removeAll(_ path: String) {
        // A link is removed itself, never what it points to.
        let number = unsafe open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        if number >= 0, let folder = unsafe fdopendir(number) {
            while let entry = unsafe readdir(folder) {
                let name = unsafe withUnsafePointer(to: entry.pointee.d_name) {
                    unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
                }
                if name != ".", name != ".." { removeAll(path + "/" + name) }
            }
            _ = unsafe closedir(folder)
        }
        _ = unsafe remove(path)
    }

    /// A file in the folder.
    public func file(_ name: String) -> String { path + "/" + name }
}
