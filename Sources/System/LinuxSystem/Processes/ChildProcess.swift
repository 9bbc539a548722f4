import CLinux
import Glibc
public import MigrationModel
import SystemPackage

/// A process this one started, by argv and never through a shell.
public struct ChildProcess: ~Copyable, Sendable {
    /// The process id.
    public let id: Int32
    /// Readable once the process has ended (pidfd_open(2)).
    public let handle: OwnedDescriptor

    /// How a process is started.
    public struct Command: Sendable {
        /// The program file.
        public var program: String
        /// The arguments after the program's own name.
        public var arguments: [String]
        /// The whole environment.
        public var environment: [String: String]
        /// Descriptors the process gets: its number and the number of ours.
        public var descriptors: [CInt: CInt]
        /// Whether it leads a session of its own, away from our terminal's signals.
        public var newSession: Bool
        /// The folder that it starts in; `nil` for ours.
        public var folder: String?

        /// States a command; standard input, output and error are `/dev/null` unless given.
        public init(
            _ program: String, _ arguments: [String] = [], environment: [String: String] = [:],
            descriptors: [CInt: CInt] = [:], newSession: Bool = true, folder: String? = nil
        ) {
            self.program = program
            self.arguments = arguments
            self.environment = environment
            self.descriptors = descriptors
            self.newSession = newSession
            self.folder = folder
        }
    }

    /// Starts a process (posix_spawn(3)); every descriptor that is not named is closed in it.
    /// - Throws: `E-IO` or `code` when the program cannot be started.
    public init(_ command: Command, as code: ErrorCode = .io) throws(LivemigError) {
        let process = try Spawn(command).run(as: code)
        let descriptor = clinux_pidfd_open(process)
        guard descriptor >= 0 else {
            _ = kill(process, SIGKILL)
            throw SystemCall.failure("pidfd_open", Errno(rawValue: -descriptor))
        }
        id = process
        handle = OwnedDescriptor(owning: descriptor)
    }

    /// Gives the process away by number: the caller closes the handle and reaps the process.
    public consuming func release() -> (id: Int32, handle: CInt) { (id, handle.release()) }

    /// Sends a signal; a process that has ended already is no error.
    public borrowing func signal(_ signal: CInt) {
        _ = clinux_pidfd_signal(handle.number, signal)
    }

    /// Kills the process and all it has started that is still in its group.
    ///
    /// Only for one that leads a session of its own and has not been waited for: until then its
    /// number is nobody else's.
    public borrowing func killGroup() { _ = kill(-id, SIGKILL) }

    /// The exit status if the process has ended: its exit code, or 128 + signal number.
    public borrowing func poll() -> Int32? {
        var status: CInt = 0
        return unsafe clinux_wait(id, WNOHANG, &status) == id ? status : nil
    }

    /// Waits for the end and reaps the process: its exit code, or 128 + signal number.
    public borrowing func wait() -> Int32 {
        var status: CInt = 0
        _ = unsafe clinux_wait(id, 0, &status)
        return status
    }

    /// Asks the process to end, kills it when it does not in time, and reaps it.
    @discardableResult
    public borrowing func end(grace: Duration = .seconds(5)) -> Int32 {
        signal(SIGTERM)
        let ready = try? Poll.wait([.init(handle.number)], timeout: grace)
        if ready?.isEmpty ?? true { signal(SIGKILL) }
        return wait()
    }
}

/// The C structures of one posix_spawn call, freed with it.
private struct Spawn {
    private let command: ChildProcess.Command

    init(_ command: ChildProcess.Command) { self.command = command }

    func run(as code: ErrorCode) throws(LivemigError) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe addDescriptors(to: &actions)
        if let folder = command.folder {
            let failure = unsafe clinux_spawn_in(&actions, folder)
            guard failure == 0 else {
                throw SystemCall.failure("chdir", Errno(rawValue: failure), at: folder, as: code)
            }
        }

        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        unsafe sigemptyset(&none)
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        var flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        if command.newSession { flags |= clinux_spawn_new_session }
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))

        let environment = command.environment.map { "\($0)=\($1)" }.sorted()
        var process: pid_t = 0
        let failure: CInt = unsafe withCStrings([command.program] + command.arguments) {
            arguments in
            unsafe withCStrings(environment) { environment in
                unsafe posix_spawn(
                    &process, command.program, &actions, &attributes, arguments, environment)
            }
        }
        guard failure == 0 else {
            throw SystemCall.failure(
                "cannot start", Errno(rawValue: failure), at: command.program, as: code)
        }
        return process
    }

    /// Gives the process exactly the descriptors that are named, and `/dev/null` for the standard
    /// ones that are not.
    ///
    /// All are copied above every number in use first, so that no copy overwrites one that is
    /// still to be copied; what was not made close-on-exec is closed too.
    private func addDescriptors(to actions: inout posix_spawn_file_actions_t) {
        let named = command.descriptors.sorted { $0.key < $1.key }
        let last = max(2, named.last?.key ?? 2)
        let parking = max(last, named.map(\.value).max() ?? 2) + 1
        for (index, (_, source)) in named.enumerated() {
            unsafe posix_spawn_file_actions_adddup2(&actions, source, parking + CInt(index))
        }
        for (index, (target, _)) in named.enumerated() {
            unsafe posix_spawn_file_actions_adddup2(&actions, parking + CInt(index), target)
        }
        for number in [0, 1, 2] as [CInt] where command.descriptors[number] == nil {
            let flags = number == 0 ? O_RDONLY : O_WRONLY
            unsafe posix_spawn_file_actions_addopen(&actions, number, "/dev/null", flags, 0)
        }
        let parked = parking..<parking + CInt(named.count)
        for number in inheritedDescriptors() + parked
        where number > 2 && command.descriptors[number] == nil {
            unsafe posix_spawn_file_actions_addclose(&actions, number)
        }
    }

    /// Our descriptors that are not close-on-exec (proc(5), `/proc/self/fd`).
    private func inheritedDescriptors() -> [CInt] {
        guard let folder = unsafe opendir("/proc/self/fd") else { return [] }
        defer { _ = unsafe closedir(folder) }
        var numbers: [CInt] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: entry.pointee.d_name) {
                unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            guard let number = CInt(name) else { continue }
            let flags = fcntl(number, F_GETFD)
            if flags >= 0, flags & FD_CLOEXEC == 0 { numbers.append(number) }
        }
        return numbers
    }
}

private func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    var copies = unsafe strings.map { unsafe strdup($0) }
    unsafe copies.append(nil)
    defer { unsafe copies.forEach { unsafe free($0) } }
    return unsafe body(copies)
}
