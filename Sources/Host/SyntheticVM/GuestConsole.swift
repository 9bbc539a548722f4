import Glibc
import LinuxSystem
import MigrationModel

/// The console of a reference guest: a log file, and a socket for whoever wants to watch and type.
///
/// Lines begin with `LIVEMIG-GUEST`, as those of the Linux guest of the tests.
final class GuestConsole: Sendable {
    private let log: OwnedDescriptor
    /// The connection of the one client; its lock keeps the lines of the log in order, too.
    private let client = Monitor<CInt?>(nil)

    /// Opens the log, where lines are appended.
    init(log: String) throws(LivemigError) {
        self.log = try .open(log, O_WRONLY | O_CREAT | O_APPEND)
    }

    /// Prints a line; a client that does not read misses it.
    func print(_ text: String) {
        let bytes = Array("LIVEMIG-GUEST \(text)\r\n".utf8)
        client.withLock { client in
            try? DescriptorIO.write(bytes, to: log.number)
            guard let client else { return }
            _ = unsafe bytes.withUnsafeBytes {
                unsafe send(
                    client, $0.baseAddress, $0.count, CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL))
            }
        }
    }

    /// Serves one client after another on a thread of its own.
    ///
    /// - Parameters:
    ///   - path: the socket to listen on.
    ///   - command: called with every line that is typed.
    func serve(_ path: String, _ command: @escaping @Sendable (String) -> Void) throws(LivemigError)
    {
        let listener = try UnixSocket.listen(path, .stream, backlog: 4)
        _ = WorkerThread("console") {
            while true {
                do {
                    guard let connection = try UnixSocket.accept(listener) else { continue }
                    try self.serveClient(connection.number, command)
                } catch {
                    // Gone already: the next one may come.
                }
            }
        }
    }

    private func serveClient(_ connection: CInt, _ command: (String) -> Void) throws(LivemigError) {
        client.withLock { $0 = connection }
        defer { client.withLock { $0 = nil } }
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while try unsafe withUnsafeMutableBytes(
            of: &byte,
            {
                (buffer) throws(LivemigError) in
                try unsafe DescriptorIO.read(into: buffer, from: connection)
            }) > 0
        {
            if byte != 10, byte != 13 {
                if line.count < Self.lineLimit { line.append(byte) }
            } else if !line.isEmpty {
                command(String(decoding: line, as: UTF8.self))
                line.removeAll()
            }
        }
    }

    /// The longest line that is read; the rest of a longer one is dropped.
    private static let lineLimit = 200
}
