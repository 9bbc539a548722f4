import CLinux
import Glibc
public import MigrationModel

/// The parts of a file that hold data; between them are holes, which read as zeros (lseek(2),
/// `SEEK_DATA` and `SEEK_HOLE`).
public enum DataExtents {
    /// The next part with data, at an offset or after it; `nil` when only a hole is left.
    ///
    /// A file system that knows no holes has one part, the whole file. Moves the file's offset.
    /// - Throws: `E-IO` when the file cannot be asked.
    public static func next(
        in descriptor: CInt, from offset: Int
    ) throws(LivemigError) -> Range<Int>? {
        let start = lseek(descriptor, offset, clinux_seek_data)
        if start < 0, errno == ENXIO { return nil }
        try SystemCall.check("lseek(SEEK_DATA)") { start }
        let end = try SystemCall.check("lseek(SEEK_HOLE)") {
            lseek(descriptor, start, clinux_seek_hole)
        }
        return Int(start)..<Int(end)
    }
}
