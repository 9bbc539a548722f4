import CLibSSH
import Glibc
import LinuxSystem
import MigrationModel
import SystemPackage

/// The C session with its socket: owner, wait loop and thread check.
///
/// A session and all its channels belong to the thread that created them; libssh guards nothing
/// against a second one. Every entry checks that. The session is non-blocking throughout, because
/// the blocking calls of libssh wait without limit for a peer that has stopped.
@safe
final class SessionHandle {
    let pointer: ssh_session
    let endpoint: SSHEndpoint
    private let event: ssh_event
    /// Our own descriptor of the socket: libssh closes its one when the connection breaks, and the
    /// number could then be another file's.
    private let socket: OwnedDescriptor
    /// The number of libssh's descriptor of the socket, which it may have closed.
    private let lent: CInt
    private let interrupt: CInt?
    /// What carries the connection through other hosts; lives as long as the session.
    private let carrier: SSHPump?
    private let thread = pthread_self()
    private let counter: UnsafeMutablePointer<ssh_counter_struct>
    private let polled: UnsafeMutablePointer<pollfd>

    /// Takes over a connected socket and a configured session, and starts nothing yet.
    init(
        _ options: consuming SessionOptions, socket: consuming OwnedDescriptor,
        endpoint: SSHEndpoint, carrier: SSHPump? = nil, interrupt: CInt?
    ) throws(LivemigError) {
        let copy = try socket.duplicate()
        guard let event = unsafe ssh_event_new() else {
            throw LivemigError(.resource, "libssh: no memory for an event loop")
        }
        unsafe self.event = event
        lent = copy.release()
        unsafe pointer = options.release()
        self.endpoint = endpoint
        self.interrupt = interrupt
        self.carrier = carrier
        unsafe counter = .allocate(capacity: 1)
        unsafe counter.initialize(to: ssh_counter_struct())
        unsafe polled = .allocate(capacity: 3)
        unsafe polled.initialize(repeating: pollfd(), count: 3)
        self.socket = socket
        if endpoint.silence != nil { tolerateLoss() }
        unsafe ssh_set_blocking(pointer, 0)
        unsafe ssh_set_counters(pointer, counter, nil)
        var descriptor = lent
        if unsafe ssh_options_set(pointer, SSH_OPTIONS_FD, &descriptor) != SSH_OK {
            throw LivemigError(.internal, "libssh refuses the socket: \(reason)")
        }
    }

    deinit {
        checkThread()
        unsafe ssh_event_remove_session(event, pointer)
        unsafe ssh_event_free(event)
        unsafe ssh_disconnect(pointer)
        unsafe ssh_free(pointer)
        closeLent()
        unsafe counter.deallocate()
        unsafe polled.deallocate()
    }

    /// Closes libssh's descriptor if libssh has not.
    ///
    /// libssh closes it after an error but not in ssh_disconnect. While our own descriptor is open
    /// no other file has the socket's inode, so a number that was closed and reused by another
    /// thread is told apart (fstat(2)).
    private func closeLent() {
        var ours = stat()
        var theirs = stat()
        guard unsafe fstat(socket.number, &ours) == 0, unsafe fstat(lent, &theirs) == 0,
            ours.st_dev == theirs.st_dev, ours.st_ino == theirs.st_ino
        else { return }
        close(lent)
    }

    /// Ends the program when another thread than the session's own uses it: a bug of the caller's.
    func checkThread() {
        precondition(
            pthread_equal(thread, pthread_self()) != 0,
            "an SSH session was used by another thread than its own")
    }

    /// What libssh said last, escaped.
    var reason: String {
        unsafe string(ssh_get_error(UnsafeMutableRawPointer(pointer))).escaped()
    }

    /// Whether the connection stands.
    var isConnected: Bool { unsafe ssh_is_connected(pointer) == 1 }

    /// Whether libssh holds bytes that the socket has not taken.
    var hasUnsent: Bool { unsafe ssh_get_status(pointer) & SSH_WRITE_PENDING != 0 }

    /// The bytes that the socket has taken so far.
    var sentBytes: UInt64 { unsafe counter.pointee.out_bytes }

    /// The bytes that the peer's kernel has acknowledged so far.
    var acknowledgedBytes: UInt64 { TCPProgress.acknowledgedBytes(of: socket.number) }

    /// Lets the kernel keep the connection for longer than the stall time-out without an
    /// acknowledgement (tcp(7), TCP_USER_TIMEOUT): packets of one of several connections on a slow
    /// path may be lost again and again.
    private func tolerateLoss() {
        var limit = CInt(clamping: Int(Self.lossLimit.milliseconds))
        _ = unsafe setsockopt(
            socket.number, CInt(IPPROTO_TCP), TCP_USER_TIMEOUT, &limit,
            socklen_t(MemoryLayout<CInt>.size))
    }

    private static let lossLimit: Duration = .seconds(60)

    /// Changes whenever libssh has read from or written to the socket.
    ///
    /// Any call of libssh may do that, and so take in what another call is waiting for: reading
    /// standard error can bring the end of standard output. Whoever checks several things and then
    /// sleeps must see that this stayed the same from the first check on.
    var activity: UInt64 { unsafe counter.pointee.in_bytes &+ counter.pointee.out_bytes }

    /// The error of a connection that broke.
    var lost: LivemigError {
        LivemigError(.disconnected, "connection lost: \(reason)", at: endpoint.place)
    }

    /// Repeats a non-blocking call until it is through or the deadline passes.
    ///
    /// - Parameter failure: what the call returns when it fails; some go on asking to be repeated
    ///   after the connection has ended. `nil` before the connection stands.
    /// - Returns: the call's result; `nil` when the time is over.
    func complete(
        _ deadline: MonotonicTime, again: CInt, failure: CInt? = nil, _ call: () -> CInt
    ) throws(LivemigError) -> CInt? {
        checkThread()
        var wakesAtEnd = 0
        while true {
            let mark = activity
            let result = call()
            if result != again { return result }
            if let failure, !isConnected { return failure }
            // A server that never stops talking gets no more time than a silent one.
            guard deadline > .now else { return nil }
            if activity != mark { continue }
            // The end of the stream keeps the socket readable: where libssh does not act on it,
            // every further poll would return at once until the deadline.
            if hasPeerEnded { wakesAtEnd += 1 }
            if wakesAtEnd > Self.wakesAtEndLimit { return failure ?? SSH_ERROR }
            // Before the key exchange libssh waits for the socket to be writable without
            // having anything to send, so its own interest counts here.
            let flags = unsafe ssh_get_poll_flags(pointer)
            let events = flags & SSH_WRITE_PENDING != 0 ? POLLIN | POLLOUT : POLLIN
            guard try poll(socket: events, until: deadline), deadline > .now else { return nil }
        }
    }

    /// How often libssh may be called again at the end of the stream: it has steps left to take.
    private static let wakesAtEndLimit = 8

    /// Whether the peer has ended the stream and everything before its end has been read.
    private var hasPeerEnded: Bool {
        var byte: UInt8 = 0
        let flags = CInt(MSG_PEEK) | CInt(MSG_DONTWAIT)
        return unsafe recv(socket.number, &byte, 1, flags) == 0
    }

    /// Lets the event loop serve the session; once, when the connection stands.
    func startEvents() throws(LivemigError) {
        guard unsafe ssh_event_add_session(event, pointer) == SSH_OK else {
            throw LivemigError(.internal, "libssh: no event loop for the session: \(reason)")
        }
    }

    /// Waits for the session's socket, and for another descriptor if one is named, then serves the
    /// socket.
    ///
    /// - Parameters:
    ///   - mark: the `activity` before the first of the checks that found nothing to do; when it
    ///     has changed since, there is no wait.
    ///   - deadline: when to give up; `nil` for never.
    ///   - other: a descriptor and the events to wait for on it.
    /// - Returns: whether anything happened before the deadline.
    /// - Throws: `E-DISCONNECTED` when the connection broke, `E-CANCELLED` when interrupted.
    func wait(
        since mark: UInt64, until deadline: MonotonicTime?, or other: Poll.Interest? = nil
    ) throws(LivemigError) -> Bool {
        guard activity == mark else { return true }
        let events = hasUnsent ? POLLIN | POLLOUT : POLLIN
        guard try poll(socket: events, until: deadline, or: other) else { return false }
        if unsafe polled[0].revents != 0 { try serve() }
        return true
    }

    /// Takes what has arrived and sends what waits, until the socket has no more to give.
    ///
    /// libssh reads 4 KiB at a time; the bound keeps a fast sender from starving the other
    /// direction, and what is left makes the next poll return at once.
    func serve() throws(LivemigError) {
        checkThread()
        for _ in 0..<64 {
            let result = unsafe ssh_event_dopoll(event, 0)
            if result == SSH_AGAIN { break }
            if result == SSH_ERROR { throw lost }
        }
        if !isConnected { throw lost }
    }

    private func poll(
        socket events: Int32, until deadline: MonotonicTime?, or other: Poll.Interest? = nil
    ) throws(LivemigError) -> Bool {
        // poll(2) ignores entries with a negative descriptor.
        unsafe polled[0] = pollfd(fd: socket.number, events: Int16(events), revents: 0)
        unsafe polled[1] = pollfd(fd: interrupt ?? -1, events: Int16(POLLIN), revents: 0)
        unsafe polled[2] = pollfd(
            fd: other?.descriptor ?? -1, events: Int16(other?.events ?? 0), revents: 0)
        while true {
            let left = deadline.map { max(0, ($0 - .now).inNanoseconds) }
            let milliseconds = left.map { CInt(clamping: ($0 + 999_999) / 1_000_000) } ?? -1
            let count = unsafe Glibc.poll(polled, 3, milliseconds)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SystemCall.failure("poll", Errno(rawValue: errno)) }
            if unsafe polled[1].revents != 0 {
                throw LivemigError(.cancelled, "connection ended on request", at: endpoint.name)
            }
            return count > 0
        }
    }
}

/// A new C session with its options, until a connection takes it over.
@safe
struct SessionOptions: ~Copyable {
    private let pointer: ssh_session

    private init(owning pointer: ssh_session) { unsafe self.pointer = pointer }

    /// Makes a session that reads no configuration and no known_hosts file.
    static func make(
        _ endpoint: SSHEndpoint, _ profile: SSHCipherProfile, _ kinds: [HostKeyKind]
    ) throws(LivemigError) -> SessionOptions {
        SSHLibrary.start()
        guard let pointer = unsafe ssh_new() else {
            throw LivemigError(.resource, "libssh: no memory for a session")
        }
        let options = unsafe SessionOptions(owning: pointer)
        try options.configure(endpoint, profile, kinds)
        return options
    }

    private borrowing func configure(
        _ endpoint: SSHEndpoint, _ profile: SSHCipherProfile, _ kinds: [HostKeyKind]
    ) throws(LivemigError) {
        // First of all: otherwise connecting would read ~/.ssh/config and could run its commands.
        var no = false
        unsafe ssh_options_set(pointer, SSH_OPTIONS_PROCESS_CONFIG, &no)
        var keyBits: CInt = 2048
        unsafe ssh_options_set(pointer, SSH_OPTIONS_RSA_MIN_SIZE, &keyBits)
        // Keys are compared with the pinned ones only; known_hosts would also reorder algorithms.
        unsafe ssh_options_set(pointer, SSH_OPTIONS_KNOWNHOSTS, "/dev/null")
        unsafe ssh_options_set(pointer, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null")
        try set(SSH_OPTIONS_HOST, endpoint.name, what: "host name")
        try set(SSH_OPTIONS_USER, endpoint.user, what: "user")
        for (option, what, names) in AlgorithmOffer.options(profile, kinds) {
            let known = names.filter { unsafe ssh_options_set(pointer, option, $0) == SSH_OK }
            guard !known.isEmpty,
                unsafe ssh_options_set(pointer, option, known.joined(separator: ",")) == SSH_OK
            else {
                throw LivemigError(
                    .algorithm, "libssh \(SSHLibrary.version) knows no \(what) that is allowed",
                    fix: "install libssh 0.10.6 or newer")
            }
        }
    }

    deinit { unsafe ssh_free(pointer) }

    consuming func release() -> ssh_session {
        let pointer = unsafe self.pointer
        discard self
        return unsafe pointer
    }

    private borrowing func set(
        _ option: ssh_options_e, _ value: String, what: String
    ) throws(LivemigError) {
        guard !value.isEmpty, !value.hasPrefix("-"), !value.utf8.contains(0),
            unsafe ssh_options_set(pointer, option, value) == SSH_OK
        else {
            throw LivemigError(.usage, "illegal \(what) \(value.escaped()) for SSH")
        }
    }
}
