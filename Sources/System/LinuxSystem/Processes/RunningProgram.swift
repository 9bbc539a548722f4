import CLinux
import Glibc
public import MigrationModel

/// The program that this process runs.
public enum RunningProgram {
    /// The program's file (proc(5), `/proc/self/exe`).
    public static func path() throws(LivemigError) -> String {
        var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = bytes.count
        let length = try SystemCall.checkNegated("readlink", at: "/proc/self/exe") {
            unsafe clinux_own_program(&bytes, count)
        }
        return String(decoding: bytes.prefix(Int(length)), as: UTF8.self)
    }

    /// The folder that the program's file is in.
    public static func folder() throws(LivemigError) -> String {
        try path().split(separator: "/").dropLast().map { "/" + $0 }.joined()
    }
}
