import Glibc
public import LinuxSystem
public import MigrationModel

/// A command on a host whose standard input and output appear here as a Unix stream socket.
///
/// A thread of the pump's own connects, owns the session, and moves bytes both ways with
/// back-pressure; each direction is closed on its own. Any thread may use the pump. Letting the
/// pump go ends the connection, as `stop` does.
public final class SSHPump: Sendable {
    private enum State {
        case connecting
        /// The number is the caller's end of the socket pair until it is taken.
        case running(end: CInt?)
        case failed(LivemigError)
        /// Nobody is left to take the end.
        case released
    }

    private let state = Monitor<State>(.connecting)
    private let worker: WorkerThread<SSHExit>
    private let place: String
    /// Closing or writing this end interrupts the thread in whatever it waits for.
    private let stopEnd: OwnedDescriptor

    /// Starts a thread that connects, runs a command, and pumps it to a new socket pair, of which
    /// `connect` returns the other end.
    ///
    /// - Parameters:
    ///   - endpoint: where and as whom.
    ///   - command: what to run there.
    ///   - profile: which ciphers to offer.
    ///   - retries: how often a refused or dropped connection is tried again (see `SSHSession`).
    ///   - onErrorLine: called on the pump's thread with every line of the command's standard
    ///     error, escaped.
    ///   - onNotice: called on the pump's thread with what was passed over at the login.
    ///   - onConnected: called on the pump's thread once the host has accepted a connection.
    /// - Throws: `E-RESOURCE` when the process has too many descriptors.
    public convenience init(
        to endpoint: SSHEndpoint, running command: RemoteCommand,
        profile: SSHCipherProfile = .control, retries: Int = 0,
        onErrorLine: (@Sendable (String) -> Void)? = nil,
        onNotice: (@Sendable (String) -> Void)? = nil,
        onConnected: (@Sendable () -> Void)? = nil
    ) throws(LivemigError) {
        try self.init(
            to: endpoint, .command(command), profile, retries, onErrorLine, onNotice, onConnected)
    }

    /// Starts a thread that connects to a host, and from there to another.
    convenience init(
        through endpoint: SSHEndpoint, to address: String, port: Int,
        onNotice: (@Sendable (String) -> Void)?
    ) throws(LivemigError) {
        try self.init(
            to: endpoint, .forwarding(address: address, port: port), .control, 0, nil, onNotice,
            nil)
    }

    private convenience init(
        to endpoint: SSHEndpoint, _ purpose: SSHChannel.Purpose, _ profile: SSHCipherProfile,
        _ retries: Int, _ onErrorLine: (@Sendable (String) -> Void)?,
        _ onNotice: (@Sendable (String) -> Void)?, _ onConnected: (@Sendable () -> Void)?
    ) throws(LivemigError) {
        let ends = try UnixSocket.pair(.stream).release()
        try self.init(
            endpoint, purpose, profile, retries, onErrorLine, onNotice,
            local: OwnedDescriptor(owning: ends.first), end: OwnedDescriptor(owning: ends.second),
            onConnected)
    }

    /// Starts a thread that connects, runs a command, and pumps it to a stream socket that exists:
    /// two pumps with the two ends of one socket pair relay between two hosts.
    ///
    /// Parameters and errors are those of the other initializer.
    public convenience init(
        to endpoint: SSHEndpoint, running command: RemoteCommand,
        pumping local: consuming OwnedDescriptor, profile: SSHCipherProfile = .control,
        retries: Int = 0, onErrorLine: (@Sendable (String) -> Void)? = nil,
        onNotice: (@Sendable (String) -> Void)? = nil
    ) throws(LivemigError) {
        try self.init(
            endpoint, .command(command), profile, retries, onErrorLine, onNotice, local: local,
            end: nil)
    }

    private init(
        _ endpoint: SSHEndpoint, _ purpose: SSHChannel.Purpose, _ profile: SSHCipherProfile,
        _ retries: Int, _ onErrorLine: (@Sendable (String) -> Void)?,
        _ onNotice: (@Sendable (String) -> Void)?,
        local: consuming OwnedDescriptor, end: consuming OwnedDescriptor?,
        _ onConnected: (@Sendable () -> Void)? = nil
    ) throws(LivemigError) {
        let stop = try OwnedDescriptor.pipe().release()
        stopEnd = OwnedDescriptor(owning: stop.second)
        place = endpoint.name
        let local = local.release()
        let end = end.releaseNumber()
        worker = WorkerThread("ssh-pump") { [state] in
            let local = OwnedDescriptor(owning: local)
            let interrupt = OwnedDescriptor(owning: stop.first)
            let channel: SSHChannel
            do throws(LivemigError) {
                let session = try SSHSession(
                    connecting: endpoint, profile: profile, retries: retries,
                    interrupt: interrupt.number, notice: onNotice, onConnected: onConnected)
                channel = try SSHChannel(session.handle, purpose, onErrorLine: onErrorLine)
            } catch {
                Self.settle(state, end, .failed(error))
                throw error
            }
            Self.settle(state, end, .running(end: end))
            var loop = PumpLoop(channel, local)
            return try loop.run()
        }
    }

    /// Leaves the connecting state; the end is closed unless somebody can still take it.
    private static func settle(_ state: Monitor<State>, _ end: CInt?, _ next: State) {
        state.withLock {
            switch ($0, next) {
            case (.connecting, .running): break
            default: if let end { close(end) }
            }
            if case .connecting = $0 { $0 = next }
        }
    }

    deinit {
        state.withLock {
            if case .running(let end?) = $0 { close(end) }
            $0 = .released
        }
    }

    /// Waits until the command runs, and hands out the local end.
    ///
    /// - Throws: the reason why it does not run; `E-INTERNAL` when the end was taken already or
    ///   the caller gave the socket itself.
    public func connect() throws(LivemigError) -> OwnedDescriptor {
        try waitUntilRunning()
        let end = state.withLock { state -> CInt? in
            guard case .running(let end?) = state else { return nil }
            state = .running(end: nil)
            return end
        }
        guard let end else {
            throw LivemigError(.internal, "the pump has no local end to hand out", at: place)
        }
        return OwnedDescriptor(owning: end)
    }

    /// Waits until the host has accepted the command.
    /// - Throws: the reason why it did not.
    public func waitUntilRunning() throws(LivemigError) {
        let outcome = state.wait { state -> Result<Void, LivemigError>? in
            switch state {
            case .connecting: nil
            case .running, .released: .success(())
            case .failed(let error): .failure(error)
            }
        }
        try outcome.get()
    }

    /// Waits as `waitUntilRunning` does; a readable `interrupt` descriptor ends the wait.
    func waitUntilRunning(unless interrupt: CInt?) throws(LivemigError) {
        guard let interrupt else { return try waitUntilRunning() }
        while true {
            let isSettled = state.wait(deadline: .now + .milliseconds(50)) { state -> Bool? in
                if case .connecting = state { nil } else { true }
            }
            if isSettled == true { return try waitUntilRunning() }
            if try !Poll.wait([.init(interrupt)], timeout: .zero).isEmpty {
                throw LivemigError(.cancelled, "connection ended on request", at: place)
            }
        }
    }

    /// Waits for the end: the command has ended and all its output was delivered.
    ///
    /// - Returns: exit status and the end of its standard error.
    /// - Throws: `E-DISCONNECTED`, `E-STALL`, `E-CANCELLED` after `stop`, or the reason why it
    ///   never ran.
    public func join() throws(LivemigError) -> SSHExit {
        do {
            return try worker.join()
        } catch let error as LivemigError {
            throw error
        } catch {
            throw LivemigError(.internal, "\(error)", at: place)
        }
    }

    /// Whether the pump has ended, well or not.
    public var hasEnded: Bool { worker.result != nil }

    /// How the command ended, if it ends before a deadline; `nil` also when the connection broke.
    public func exit(by deadline: MonotonicTime) -> SSHExit? {
        try? worker.result(by: deadline)?.get()
    }

    /// Ends the connection at once, whatever the pump is doing; harmless when it has ended.
    public func stop() {
        var byte: UInt8 = 0
        _ = unsafe write(stopEnd.number, &byte, 1)
    }
}

extension Optional where Wrapped == OwnedDescriptor {
    fileprivate consuming func releaseNumber() -> CInt? {
        switch consume self {
        case .some(let descriptor): descriptor.release()
        case .none: nil
        }
    }
}
