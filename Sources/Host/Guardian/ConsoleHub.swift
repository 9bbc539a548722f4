import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel

/// Reads a guest's serial ports at all times, and shares the first one among those who look at it.
///
/// A hypervisor waits for a client that does not read, and the guest with it; the device state of
/// such a port makes the guest wait on another host as well, where nobody ever reads. So this is
/// the only client that a hypervisor has, it never waits for anybody, and what a slow user does not
/// take is dropped. A thread of its own reads; the guardian's may join in.
final class ConsoleHub: Sendable {
    /// The most users at a time.
    static let userLimit = 16
    /// How often the hypervisor's own log is looked at.
    private static let lookInterval = Duration.seconds(5)
    /// How long users may take to get the last of the output.
    private static let farewellLimit = Duration.milliseconds(200)

    struct State {
        var ports: [OwnedDescriptorBox] = []
        var users: [ConsoleUser] = []
        /// What was typed and not taken by the guest.
        var typed: [UInt8] = []
        var log: ConsoleLog?
        var isEnding = false
        /// Whether the first port has been there and has gone.
        var isOver = false
    }

    private let state: Monitor<State>
    private let hypervisorLog: String
    private let wakeEnd: OwnedDescriptor
    private let thread: Monitor<WorkerThread<Void>?>

    /// Starts a thread that has nothing to read yet.
    ///
    /// - Parameters:
    ///   - folder: the VM's files.
    ///   - logs: whether the first port's output is to be kept; not where the hypervisor does that.
    init(_ folder: MachineFolder, logs: Bool) throws(LivemigError) {
        state = Monitor(State(log: logs ? ConsoleLog(folder) : nil))
        hypervisorLog = folder.hypervisorLog
        let pipe = try OwnedDescriptor.pipe().release()
        wakeEnd = OwnedDescriptor(owning: pipe.second)
        thread = Monitor(nil)
        let wake = OwnedDescriptorBox(OwnedDescriptor(owning: pipe.first))
        let started = WorkerThread("consoles") { [self] in try run(wake) }
        thread.withLock { $0 = started }
    }

    // MARK: Ports

    /// Connects to the serial ports of a hypervisor that listens; the first is the console.
    /// - Throws: `E-IO` when it does not.
    func connect(_ paths: [String]) throws(LivemigError) {
        var ports: [OwnedDescriptorBox] = []
        for path in paths {
            ports.append(OwnedDescriptorBox(try UnixSocket.connect(path, .stream)))
        }
        state.withLock { $0.ports = ports }
        wake()
    }

    /// Takes all that the guest has written, so that no port waits for a reader.
    func drain() { state.withLock { $0.readPorts() } }

    /// Adds a user.
    ///
    /// - Parameters:
    ///   - socket: the user's connection, a stream.
    ///   - access: what the user wants to do.
    /// - Returns: whether the user may type, and how many others there are.
    /// - Throws: `E-DEVICE` without a serial port, `E-BUSY` when there are too many users.
    func add(
        _ socket: consuming OwnedDescriptor, _ access: ConsoleAccess
    ) throws(LivemigError) -> (canType: Bool, others: Int) {
        let box = OwnedDescriptorBox(socket)
        let answer = try state.withLock { (state) throws(LivemigError) in
            guard !state.ports.isEmpty, !state.isOver else {
                throw LivemigError(
                    .device, "the VM has no serial port", fix: "add <serial type=\"pty\"/>")
            }
            guard state.users.count < Self.userLimit else {
                throw LivemigError(
                    .busy, "\(state.users.count) users look at the console already")
            }
            let others = state.users.count
            if access == .takeOver {
                for index in state.users.indices { state.users[index].canType = false }
            }
            let canType = access != .watch && !state.users.contains { $0.canType }
            state.users.append(ConsoleUser(box, canType: canType))
            return (canType, others)
        }
        wake()
        return answer
    }

    /// Ends the thread and all connections; users get what is left if they take it soon.
    func end() {
        state.withLock { $0.isEnding = true }
        wake()
        let thread = thread.withLock { $0 }
        _ = thread?.result(by: .now + Self.farewellLimit + .seconds(1))
    }

    private func wake() {
        var byte: UInt8 = 0
        _ = unsafe write(wakeEnd.number, &byte, 1)
    }

    // MARK: The thread

    private func run(_ wake: OwnedDescriptorBox) throws(LivemigError) {
        var look = MonotonicTime.now + Self.lookInterval
        while !state.withLockUnnoticed({ $0.isEnding }) {
            let interests = state.withLockUnnoticed { $0.interests }
            let ready = try Poll.wait(
                [.init(wake.descriptor.number)] + interests,
                timeout: max(.zero, look - .now))
            if ready.contains(wake.descriptor.number) {
                _ = try DescriptorIO.readAvailable(upTo: 64, from: wake.descriptor.number)
            }
            state.withLock { $0.turn(ready) }
            if look <= .now {
                HypervisorLog.cut(hypervisorLog)
                look = .now + Self.lookInterval
            }
        }
        let deadline = MonotonicTime.now + Self.farewellLimit
        state.withLock { $0.readPorts() }
        while deadline > .now, state.withLock({ $0.flush() }) { _ = usleep(2_000) }
        state.withLock { state in
            state.users = []
            state.ports = []
        }
    }
}

extension ConsoleHub.State {
    /// The most that is read of a port before others have their turn, in bytes.
    private static let turnLimit = 1 << 20
    /// The most that waits for the guest to read it, in bytes.
    private static let typedLimit = 4 << 10

    /// What to wait for.
    fileprivate var interests: [Poll.Interest] {
        var interests = ports.enumerated().map { index, port in
            Poll.Interest(
                port.descriptor.number, index == 0 && !typed.isEmpty ? POLLIN | POLLOUT : POLLIN)
        }
        let hasRoom = typed.count < Self.typedLimit
        for user in users {
            let reads = hasRoom || !user.canType ? POLLIN : 0
            interests.append(.init(user.number, user.isBehind ? reads | POLLOUT : reads))
        }
        return interests
    }

    /// One turn of the thread.
    fileprivate mutating func turn(_ ready: [CInt]) {
        readPorts()
        for index in users.indices where ready.contains(users[index].number) { read(of: index) }
        typeAtGuest()
        _ = flush()
    }

    /// Reads what the ports have; a port that has ended is closed.
    fileprivate mutating func readPorts() {
        for index in ports.indices.reversed() {
            let number = ports[index].descriptor.number
            var taken = 0
            while taken < Self.turnLimit {
                guard let bytes = NonblockingSocket.receive(from: number) else { break }
                guard !bytes.isEmpty else {
                    close(port: index)
                    break
                }
                taken += bytes.count
                if index == 0 { show(bytes) }
            }
        }
    }

    private mutating func close(port index: Int) {
        guard index == 0 else { return _ = ports.remove(at: index) }
        // The console is over; users get what they have not taken, then the end.
        ports = []
        typed = []
        isOver = true
    }

    private mutating func show(_ bytes: [UInt8]) {
        log?.append(bytes[...])
        for index in users.indices { users[index].give(bytes) }
    }

    /// Sends users what they take.
    /// - Returns: whether somebody has not taken all.
    fileprivate mutating func flush() -> Bool {
        for index in users.indices { users[index].flush() }
        users.removeAll { $0.hasGone || (isOver && !$0.isBehind) }
        return users.contains(where: \.isBehind)
    }

    /// Takes what a user has typed: for the guest, or to be dropped.
    private mutating func read(of index: Int) {
        guard !users[index].canType || typed.count < Self.typedLimit else {
            // Nothing was waited for but the end, or room for output, which a write tells of.
            if !users[index].isBehind { users[index].hasGone = true }
            return
        }
        guard
            let bytes = NonblockingSocket.receive(
                from: users[index].number, atMost: Self.typedLimit)
        else { return }
        if bytes.isEmpty {
            users[index].hasGone = true
        } else if users[index].canType {
            typed += bytes
        }
    }

    private mutating func typeAtGuest() {
        guard let port = ports.first, !typed.isEmpty else { return }
        typed.removeFirst(NonblockingSocket.send(typed[...], to: port.descriptor.number) ?? 0)
    }
}
