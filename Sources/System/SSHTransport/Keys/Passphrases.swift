import Glibc
import LinuxSystem
import MigrationModel
import Synchronization

/// Passphrases of key files, asked for on the terminal once per file and process.
enum Passphrases {
    /// How often a wrong passphrase may be corrected, as in ssh(1).
    private static let attempts = 3

    /// Held while somebody types, so that one question is on the terminal at a time.
    private static let known = Mutex<[String: String]>([:])

    /// Unlocks a key.
    /// - Throws: `E-KEY` where there is no terminal, or after three wrong passphrases.
    static func unlock(_ file: SSHKeyFile) throws(LivemigError) -> SSHKey {
        let path = file.path
        // The lock is held across the question on purpose: see `known`.
        let result = known.withLock { known -> Result<String, LivemigError> in
            if let passphrase = known[path] { return .success(passphrase) }
            do throws(LivemigError) {
                let terminal = try PassphraseTerminal(for: path)
                for _ in 0..<attempts {
                    let passphrase = try terminal.ask("Passphrase for \(path.printable): ")
                    if passphrase.isEmpty { break }
                    if file.unlock(passphrase) != nil {
                        known[path] = passphrase
                        return .success(passphrase)
                    }
                    try terminal.say("That is not the passphrase.\n")
                }
                return .failure(LivemigError(.key, "no passphrase opens the key", at: path))
            } catch {
                return .failure(error)
            }
        }
        guard let key = file.unlock(try result.get()) else { throw SSHKey.unreadable(path) }
        return key
    }
}

/// The controlling terminal, for a question whose answer is not shown (tty(4), termios(3)).
private struct PassphraseTerminal: ~Copyable {
    private let terminal: OwnedDescriptor
    private let path: String

    init(for path: String) throws(LivemigError) {
        self.path = path
        let number = unsafe open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard number >= 0 else {
            throw LivemigError(
                .key, "the key has a passphrase, and there is no terminal to ask for it", at: path,
                fix: "load it into the SSH agent: ssh-add \(path)")
        }
        terminal = OwnedDescriptor(owning: number)
    }

    func say(_ text: String) throws(LivemigError) {
        try DescriptorIO.write(Array(text.utf8), to: terminal.number)
    }

    func ask(_ question: String) throws(LivemigError) -> String {
        var settings = termios()
        guard unsafe tcgetattr(terminal.number, &settings) == 0 else {
            throw LivemigError(.key, "the terminal cannot be asked for the passphrase", at: path)
        }
        var quiet = settings
        quiet.c_lflag &= ~tcflag_t(ECHO)
        quiet.c_lflag |= tcflag_t(ICANON | ISIG)
        unsafe tcsetattr(terminal.number, TCSAFLUSH, &quiet)
        defer { unsafe tcsetattr(terminal.number, TCSAFLUSH, &settings) }
        try say(question)
        var line: [UInt8] = []
        while line.last != UInt8(ascii: "\n"), line.count < 4096 {
            let more = try DescriptorIO.readAvailable(upTo: 1024, from: terminal.number)
            if more.isEmpty { break }
            line += more
        }
        try say("\n")
        if line.last == UInt8(ascii: "\n") { line.removeLast() }
        return String(decoding: line, as: UTF8.self)
    }
}
