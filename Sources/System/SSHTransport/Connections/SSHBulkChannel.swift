public import LinuxSystem
public import MigrationModel

/// A lane for bulk data: a connection of its own with one command on it.
///
/// Belongs to the thread that made it. Several lanes are several connections on several threads: a
/// lane carries at most one window (2 MiB towards OpenSSH) per round-trip.
public struct SSHBulkChannel: ByteChannel, ~Copyable {
    private var channel: SSHChannel
    /// What the two sides agreed on.
    public let algorithms: SSHAlgorithms

    /// Connects and starts the command.
    ///
    /// - Parameters:
    ///   - endpoint: where and as whom.
    ///   - command: what to run there.
    ///   - profile: which ciphers to offer.
    ///   - retries: how often a refused or dropped connection is tried again (see `SSHSession`).
    /// - Throws: as `SSHSession.init` and `SSHSession.openExec`.
    public init(
        to endpoint: SSHEndpoint, running command: RemoteCommand,
        profile: SSHCipherProfile = .bulkToServer, retries: Int = 3
    ) throws(LivemigError) {
        let session = try SSHSession(connecting: endpoint, profile: profile, retries: retries)
        let channel = try session.openExec(command)
        self.channel = channel
        algorithms = session.algorithms
    }

    /// How long `read` waits for the first byte; `nil` for no limit.
    public var readTimeout: Duration? {
        get { channel.readTimeout }
        set { channel.readTimeout = newValue }
    }

    /// How the command ended, as far as it is known now.
    public var exit: SSHExit { channel.exit }

    /// The bytes put on the wire so far, with SSH's own.
    public var wireBytes: UInt64 { channel.session.sentBytes }

    /// Writes every byte; best in pieces of 256 KiB or more.
    public mutating func write(_ bytes: RawSpan) throws(LivemigError) {
        try channel.write(bytes)
    }

    /// Reads what has arrived, waiting for at least one byte; 0 at the end of the output.
    public mutating func read(
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(LivemigError) -> Int {
        try unsafe channel.read(into: buffer)
    }

    /// Ends the command's standard input; its output can still be read.
    public mutating func finishWriting() throws(LivemigError) { try channel.finishWriting() }

    /// Ends standard input, discards the rest of the output, and waits for the command to end.
    public mutating func finish() throws(LivemigError) -> SSHExit { try channel.finish() }
}
