import Glibc
import LinuxSystem
import MigrationModel

/// A terminal in raw mode (termios(3), cfmakeraw), put back when this goes away.
struct RawTerminal: ~Copyable {
    private let descriptor: CInt
    private let previous: termios

    /// Changes the mode of a terminal.
    /// - Throws: `E-IO` for what is not a terminal.
    init(_ descriptor: CInt) throws(LivemigError) {
        var mode = termios()
        guard unsafe tcgetattr(descriptor, &mode) == 0 else {
            throw LivemigError(.io, "standard input is not a terminal")
        }
        previous = mode
        self.descriptor = descriptor
        unsafe cfmakeraw(&mode)
        _ = unsafe tcsetattr(descriptor, TCSANOW, &mode)
    }

    /// What a guest writes can make a terminal answer as if the user had typed (such as its
    /// position, `ESC [ 6 n`): answers are waited for a moment and thrown away, not left to the shell.
    deinit {
        var buffer = [UInt8](repeating: 0, count: 4096)
        for _ in 0..<Self.answersLimit {
            let ready = try? Poll.wait([.init(descriptor)], timeout: Self.answerTime)
            guard ready?.isEmpty == false,
                unsafe read(descriptor, &buffer, buffer.count) > 0
            else { break }
        }
        var mode = previous
        _ = unsafe tcsetattr(descriptor, TCSAFLUSH, &mode)
    }

    /// How long a terminal may take to answer.
    private static let answerTime = Duration.milliseconds(50)
    /// How many answers are read at most.
    private static let answersLimit = 20
}

/// What is typed at a console, up to the key that leaves it.
enum TypedBytes {
    /// Control-] .
    static let escape: UInt8 = 0x1D

    /// The bytes for the guest, and whether the user left after them.
    static func split(_ bytes: [UInt8]) -> (bytes: [UInt8], leaves: Bool) {
        guard let index = bytes.firstIndex(of: escape) else { return (bytes, false) }
        return (Array(bytes[..<index]), true)
    }
}
