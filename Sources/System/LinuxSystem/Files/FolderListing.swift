import Glibc
public import MigrationModel
import SystemPackage

/// The entries of folders.
public enum FolderListing {
    /// The names in a folder, without `.` and `..`; empty when the folder is not there.
    /// - Throws: `E-IO` when it cannot be read.
    public static func names(in path: String) throws(LivemigError) -> [String] {
        guard let folder = unsafe opendir(path) else {
            if errno == ENOENT { return [] }
            throw SystemCall.failure("opendir", .init(rawValue: errno), at: path)
        }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) {
                    unsafe String(cString: $0)
                }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
