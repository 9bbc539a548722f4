import Glibc
import LinuxSystem
public import MigrationModel

/// Files of the source tree that tests compare with the code.
public enum Repository {
    /// The top of the source tree.
    public static var root: String {
        #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    }

    /// Reads a file by its path below the top.
    public static func read(_ path: String) throws(LivemigError) -> String {
        let file = try OwnedDescriptor.open(root + "/" + path, O_RDONLY)
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let number = file.number
            let count = try SystemCall.check("read", at: path) {
                unsafe Glibc.read(number, &part, part.count)
            }
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += part.prefix(count)
        }
    }

    /// Writes a file by its path below the top.
    public static func write(_ text: String, to path: String) throws(LivemigError) {
        let file = try OwnedDescriptor.open(
            root + "/" + path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
        try DescriptorIO.write(Array(text.utf8), to: file.number)
    }

    /// Whether an environment variable asks to rewrite the expected files.
    public static func isSet(_ variable: String) -> Bool {
        unsafe getenv(variable) != nil
    }

    /// The text of an environment variable that sets how much is tried.
    public static func text(_ variable: String) -> String? {
        unsafe getenv(variable).map { unsafe String(cString: $0) }
    }

    /// The number in an environment variable that sets how much is tried.
    public static func number(_ variable: String) -> Int? { text(variable).flatMap { Int($0) } }
}
