import CLinux
import Glibc
public import MigrationModel
import SystemPackage

/// A file descriptor with one owner, closed when the owner goes away.
public struct OwnedDescriptor: ~Copyable, Sendable {
    /// The descriptor's number, valid while the owner lives.
    public let number: CInt

    /// Takes over a descriptor that nobody else will close.
    public init(owning number: CInt) { self.number = number }

    deinit { _ = close(number) }

    /// Gives the descriptor away: the caller closes it.
    public consuming func release() -> CInt {
        let number = self.number
        discard self
        return number
    }

    /// A second descriptor of the same open file, close-on-exec.
    /// - Throws: `E-RESOURCE` when the process has too many.
    public borrowing func duplicate() throws(LivemigError) -> OwnedDescriptor {
        let number = self.number
        return OwnedDescriptor(
            owning: try SystemCall.check("fcntl(F_DUPFD_CLOEXEC)") {
                fcntl(number, F_DUPFD_CLOEXEC, 3)
            })
    }

    /// Opens a file; `O_CLOEXEC` and `O_NOFOLLOW` are always added.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - flags: such as `O_RDWR | O_CREAT`.
    ///   - mode: permissions of a file that is created.
    ///   - code: the kind of error to report.
    public static func open(
        _ path: String, _ flags: CInt, mode: UInt32 = 0o600, as code: ErrorCode = .file
    ) throws(LivemigError) -> OwnedDescriptor {
        OwnedDescriptor(
            owning: try SystemCall.check("open", at: path, as: code) {
                unsafe Glibc.open(path, flags | O_CLOEXEC | O_NOFOLLOW, mode)
            })
    }

    /// A pipe: bytes written to the second come out of the first.
    public static func pipe() throws(LivemigError) -> DescriptorPair {
        var ends: [CInt] = [-1, -1]
        try SystemCall.checkNegated("pipe2") { unsafe clinux_pipe(&ends) }
        return DescriptorPair(
            first: OwnedDescriptor(owning: ends[0]), second: OwnedDescriptor(owning: ends[1]))
    }
}

/// Two descriptors that belong together: the ends of a pipe or of a socket pair.
public struct DescriptorPair: ~Copyable, Sendable {
    /// The reading end of a pipe, or one end of a socket pair.
    public var first: OwnedDescriptor
    /// The writing end of a pipe, or the other end of a socket pair.
    public var second: OwnedDescriptor

    /// Joins two descriptors.
    public init(first: consuming OwnedDescriptor, second: consuming OwnedDescriptor) {
        self.first = first
        self.second = second
    }

    /// Gives both descriptors away by number: the caller closes them.
    public consuming func release() -> (first: CInt, second: CInt) {
        (first.release(), second.release())
    }
}

/// A descriptor that threads share, closed with the last of them.
public final class OwnedDescriptorBox: Sendable {
    /// The descriptor.
    public let descriptor: OwnedDescriptor

    /// Takes a descriptor over.
    public init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
}
