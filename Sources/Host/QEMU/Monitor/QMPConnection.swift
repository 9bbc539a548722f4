import FoundationEssentials
import Glibc
package import LinuxSystem
import MigrationModel

/// A connection to QEMU's monitor, used by one thread.
///
/// QEMU carries out commands in the order in which they were sent, also those whose answer nobody
/// waits for any more.
package final class QMPConnection {
    /// How long a command may take.
    package static let replyTimeout = Duration.seconds(5)
    /// How many events are kept for `takeMigrationEvents`; older ones go.
    private static let eventLimit = 64

    private let socket: OwnedDescriptor
    private let place: String
    private var reader = QMPLineReader()
    private var lastID = 0
    private var migrationEvents: [String] = []
    private let encoder = JSONEncoder()
    private let decoder = JSONDecoder()
    /// QEMU's release, from its greeting.
    package private(set) var version = QEMUVersion(0, 0, 0)

    /// Takes over a connected stream socket and negotiates.
    ///
    /// - Parameters:
    ///   - socket: connected to a monitor in control mode.
    ///   - place: named in errors.
    ///   - deadline: how long QEMU may take to greet.
    package init(
        _ socket: consuming OwnedDescriptor, at place: String, deadline: MonotonicTime
    ) throws(QMPError) {
        self.socket = socket
        self.place = place
        let line = try receive("its greeting", until: deadline)
        guard let greeting = try decode(QMPEnvelope.self, from: line).greeting else {
            throw .malformed("no greeting")
        }
        version = greeting.release
        try execute(NegotiateCapabilities())
    }

    /// Sends a command and waits for its answer.
    ///
    /// - Parameters:
    ///   - command: what to do.
    ///   - descriptor: passed along with the command (SCM_RIGHTS), stays the caller's.
    ///   - timeout: how long to wait.
    @discardableResult
    package func execute<Command: QMPCommand>(
        _ command: Command, passing descriptor: CInt? = nil,
        timeout: Duration = QMPConnection.replyTimeout
    ) throws(QMPError) -> Command.Reply {
        let deadline = MonotonicTime.now + timeout
        let id = try send(command, passing: descriptor, deadline: deadline)
        while true {
            let line: [UInt8]
            do {
                line = try receive(Command.name, until: deadline)
            } catch .silent {
                throw .silent(command: Command.name, after: timeout)
            }
            let envelope = try decode(QMPEnvelope.self, from: line)
            if try noteEvent(envelope, line) {
                // Events that never end are no answer.
                guard MonotonicTime.now < deadline else {
                    throw .silent(command: Command.name, after: timeout)
                }
                continue
            }
            guard let answered = envelope.id else {
                throw .malformed("an answer to no command")
            }
            // The late answer to a command that was given up.
            if answered < id {
                guard MonotonicTime.now < deadline else {
                    throw .silent(command: Command.name, after: timeout)
                }
                continue
            }
            guard answered == id else { throw .malformed("an answer to a later command") }
            if let refusal = envelope.error { throw .refused(command: Command.name, refusal) }
            return try decode(QMPAnswer<Command.Reply>.self, from: line).return
        }
    }

    /// Sends a command whose answer is not waited for.
    func post(_ command: some QMPCommand) throws(QMPError) {
        _ = try send(command, passing: nil, deadline: .now + .milliseconds(100))
    }

    /// Waits for the next `MIGRATION` event, at most until a deadline.
    package func awaitMigrationEvent(until deadline: MonotonicTime) throws(QMPError) {
        while migrationEvents.isEmpty {
            let line: [UInt8]
            do {
                line = try receive("an event", until: deadline)
            } catch .silent {
                return
            }
            _ = try noteEvent(try decode(QMPEnvelope.self, from: line), line)
            guard MonotonicTime.now < deadline else { return }
        }
    }

    /// The states of migration that QEMU told since the last call.
    package func takeMigrationEvents() -> [String] {
        defer { migrationEvents.removeAll() }
        return migrationEvents
    }

    private func noteEvent(_ envelope: QMPEnvelope, _ line: [UInt8]) throws(QMPError) -> Bool {
        guard let event = envelope.event else { return false }
        if event == "MIGRATION" {
            migrationEvents.append(try decode(QMPMigrationEvent.self, from: line).data.status)
            migrationEvents = migrationEvents.suffix(Self.eventLimit)
        }
        return true
    }

    private func send<Command: QMPCommand>(
        _ command: Command, passing descriptor: CInt?, deadline: MonotonicTime
    ) throws(QMPError) -> Int {
        lastID += 1
        let bytes: [UInt8]
        do {
            bytes = Array(try encoder.encode(QMPRequest(id: lastID, command: command))) + [0x0A]
        } catch {
            throw .malformed("\(Command.name) cannot be written: \(error)")
        }
        // A socket that polls writable takes a message of this size whole (unix(7)).
        guard try wait(POLLOUT, until: deadline) else {
            throw .silent(command: Command.name, after: .zero)
        }
        do {
            try Packet.send(
                bytes, with: descriptor.map { [$0] } ?? [], to: socket.number, at: place)
        } catch {
            throw .closed(command: Command.name)
        }
        return lastID
    }

    private func receive(_ what: String, until deadline: MonotonicTime) throws(QMPError) -> [UInt8]
    {
        var isLate = false
        while true {
            if let line = try reader.next() { return line }
            guard !isLate, try wait(POLLIN, until: deadline) else {
                throw .silent(command: what, after: .zero)
            }
            // What is there already is still read, but no line that never ends.
            isLate = MonotonicTime.now >= deadline
            let number = socket.number
            let chunk = unsafe [UInt8](unsafeUninitializedCapacity: 64 << 10) { buffer, count in
                let result = unsafe Glibc.read(number, buffer.baseAddress, buffer.count)
                count = max(0, result)
            }
            guard !chunk.isEmpty else { throw .closed(command: what) }
            reader.append(chunk)
        }
    }

    private func wait(_ event: Int32, until deadline: MonotonicTime) throws(QMPError) -> Bool {
        let left = max(.zero, deadline - .now)
        do {
            return !(try Poll.wait([.init(socket.number, event)], timeout: left)).isEmpty
        } catch {
            throw .malformed(error.what)
        }
    }

    private func decode<Value: Decodable>(
        _ type: Value.Type, from line: [UInt8]
    ) throws(QMPError) -> Value {
        do {
            return try decoder.decode(type, from: Data(line))
        } catch {
            let start = String(decoding: line.prefix(80), as: UTF8.self)
            throw .malformed("unexpected \(start.escaped())")
        }
    }
}
