import Glibc
import LinuxSystem
import MigrationModel

extension HostRoot {
    private var identityFile: String { path + "/identity" }

    /// The host's own identity, 32 hexadecimal digits: made on first use, and never changed.
    ///
    /// `nil` where it can be neither read nor made, such as on a full disk: no reason to keep a host
    /// from answering. A copy of the root has it as well; what is told beside it tells the two apart.
    var identity: String? { try? readIdentity() }

    private func readIdentity() throws(LivemigError) -> String {
        let file = try PrivateFile.open(identityFile, O_RDWR | O_CREAT, as: .root)
        let number = file.number
        // Two agents may come first at once.
        try SystemCall.check("flock", at: identityFile, as: .root) { flock(number, LOCK_EX) }
        let bytes = try DescriptorIO.readFully(upTo: Self.identityLength + 1, from: number)
        let text = String(decoding: bytes.prefix(Self.identityLength), as: UTF8.self)
        if text.utf8.count == Self.identityLength, text.utf8.allSatisfy(Self.isDigit) {
            return text
        }
        let fresh = Bits128.random().description
        try SystemCall.check("ftruncate", at: identityFile, as: .root) { ftruncate(number, 0) }
        try SystemCall.check("lseek", at: identityFile, as: .root) {
            lseek(number, 0, SEEK_SET)
        }
        try DescriptorIO.write(Array((fresh + "\n").utf8), to: number, at: identityFile)
        try SystemCall.check("fdatasync", at: identityFile, as: .root) { fdatasync(number) }
        return fresh
    }

    private static let identityLength = 32

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}
