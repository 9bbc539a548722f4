import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel
import Testing

@testable import QEMU

@Suite("QMP")
struct QMPTests {
    static let greeting =
        #"{"QMP":{"version":{"qemu":{"micro":22,"minor":2,"major":7},"package":"x"},"capabilities":["oob"]}}"#
    static let negotiated = #"{"return":{},"id":1}"#

    /// Breaks when events, late answers or unknown members are taken for the answer.
    @Test("Events, late answers and unknown members are not mistaken for the answer")
    func conversation() throws {
        let connection = try Self.connect(
            Self.greeting, Self.negotiated,
            #"{"event":"STOP","timestamp":{"seconds":1,"microseconds":2},"data":[{"a":1}]}"#,
            #"{"event":"MIGRATION","data":{"status":"setup","more":1}}"#,
            #"{"return":{"status":"late"},"id":1}"#,
            #"{"id":2,"return":{"status":"running","singlestep":false,"running":true}}"#)
        #expect(connection.version == QEMUVersion(7, 2, 22))
        #expect(try connection.execute(QueryStatus()).status == "running")
        #expect(connection.takeMigrationEvents() == ["setup"])
    }

    /// Breaks when QEMU's refusal is lost or its text is not kept.
    @Test("A refusal keeps QEMU's words")
    func refusal() throws {
        let connection = try Self.connect(
            Self.greeting, Self.negotiated,
            #"{"id":2,"error":{"class":"GenericError","desc":"Failed to get \"write\" lock"}}"#)
        let error = #expect(throws: QMPError.self) { try connection.execute(ContinueCommand()) }
        guard case .refused(let command, let refusal) = error else {
            Issue.record("\(error as Any)")
            return
        }
        #expect(command == "cont")
        #expect(refusal.isLock)
    }

    /// Breaks when anything but the protocol is accepted, or traps.
    @Test(
        "What is not the protocol is refused",
        arguments: [
            "not json", "{}", "[]", "{\"QMP\":{}}", "{\"QMP\":{\"version\":{\"qemu\":{}}}}",
            String(repeating: "[", count: 100_000), "{\"id\":\"text\"}", "\u{0}\u{1}",
            "{\"QMP\":{\"version\":{\"qemu\":{\"major\":1e99,\"minor\":0,\"micro\":0}}}}",
        ])
    func malformed(_ line: String) throws {
        let error = #expect(throws: QMPError.self) { try Self.connect(line) }
        guard case .malformed = error else {
            Issue.record("\(error as Any)")
            return
        }
        #expect(error?.livemigError.code == .qmpProtocol)
    }

    /// Breaks when a message without end fills the memory.
    @Test("A message beyond the limit is refused, one within it is not")
    func size() throws {
        var reader = QMPLineReader()
        reader.append([UInt8](repeating: 0x20, count: QMPLineReader.sizeLimit))
        #expect(try reader.next() == nil)
        reader.append([0x20, 0x20])
        #expect(throws: QMPError.self) { try reader.next() }
    }

    /// Breaks when messages are cut in another place than at line ends.
    @Test("Messages are cut at line ends, wherever the bytes were cut")
    func lines() throws {
        let bytes = Array("{\"a\":1}\r\n\n{\"b\":\"]]\\\"[[\"}\nrest".utf8)
        var reader = QMPLineReader()
        var lines: [String] = []
        for byte in bytes {
            reader.append([byte])
            while let line = try reader.next() {
                lines.append(String(decoding: line, as: UTF8.self))
            }
        }
        #expect(lines == ["{\"a\":1}", "{\"b\":\"]]\\\"[[\"}"])
    }

    /// Breaks when a silent or vanished monitor is waited for beyond the limit.
    @Test("A silent monitor times out, a closed one is noticed")
    func silence() throws {
        let pair = try UnixSocket.pair(.stream)
        let (ours, theirs) = pair.release()
        let peer = OwnedDescriptor(owning: theirs)
        try DescriptorIO.write(
            Array((Self.greeting + "\n" + Self.negotiated + "\n").utf8), to: peer.number)
        let connection = try QMPConnection(
            OwnedDescriptor(owning: ours), at: "test", deadline: .now + .seconds(1))
        #expect(throws: QMPError.silent(command: "stop", after: .milliseconds(50))) {
            try connection.execute(StopCommand(), timeout: .milliseconds(50))
        }
        shutdown(peer.number, CInt(SHUT_RDWR))
        #expect(throws: QMPError.closed(command: "stop")) {
            try connection.execute(StopCommand())
        }
    }

    /// Breaks when a monitor that never stops talking keeps the guardian from its deadlines: events,
    /// answers to commands that nobody waits for, and a line that does not end.
    @Test(
        "A flood of messages does not outlast the deadline", .timeLimit(.minutes(1)),
        arguments: [
            #"{"event":"RESUME"}\n"#, #"{"event":"MIGRATION","data":{"status":"active"}}\n"#,
            #"{"return":{},"id":1}\n"#, "x",
        ])
    func flood(_ message: String) throws {
        let (ours, theirs) = try UnixSocket.pair(.stream).release()
        let peer = OwnedDescriptor(owning: theirs)
        try DescriptorIO.write(
            Array((Self.greeting + "\n" + Self.negotiated + "\n").utf8), to: peer.number)
        let server = try ChildProcess(
            .init(
                "/usr/bin/perl",
                ["-e", "$| = 1; my $m = qq(\(Self.perl(message))); 1 while print $m x 64"],
                descriptors: [1: peer.number]))
        defer { server.end(grace: .zero) }
        _ = consume peer
        let connection = try QMPConnection(
            OwnedDescriptor(owning: ours), at: "test", deadline: .now + .seconds(5))
        let start = MonotonicTime.now
        let limit = Duration.milliseconds(300)
        #expect(throws: QMPError.self) { try connection.execute(StopCommand(), timeout: limit) }
        if message.contains("RESUME") {
            try connection.awaitMigrationEvent(until: .now + limit)
        }
        #expect(start.elapsed < .seconds(5), "\(start.elapsed)")
    }

    /// A text within `qq( )` of perl.
    private static func perl(_ text: String) -> String {
        text.replacing("\"", with: "\\\"").replacing("{", with: "\\{")
    }

    /// Breaks when a version is misread.
    @Test(
        "Versions are read from --version",
        arguments: [
            (
                "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright",
                QEMUVersion(7, 2, 22)
            ),
            ("QEMU emulator version 10.0.2", QEMUVersion(10, 0, 2)),
            ("QEMU emulator version 9.1.50 (v9.1.0-dirty)", QEMUVersion(9, 1, 50)),
            ("QEMU emulator version 9.2rc1", QEMUVersion(9, 2, 0)),
            ("QEMU emulator version x", nil), ("", nil), ("GNU bash, version 5.2", nil),
        ])
    func version(_ text: String, _ expected: QEMUVersion?) {
        #expect(QEMUVersion(versionOutput: text) == expected)
    }

    /// Breaks when an alias is taken for a machine type of its own.
    @Test("Aliases of machine types are resolved")
    func machineTypes() {
        let types = MachineTypes(
            helpOutput: """
                Supported machines are:
                microvm              microvm (i386)
                pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)
                pc-i440fx-7.2        Standard PC (i440FX + PIIX, 1996) (default)
                q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)
                pc-q35-7.2           Standard PC (Q35 + ICH9, 2009)
                """)
        #expect(types.resolve("q35") == "pc-q35-7.2")
        #expect(types.resolve("pc-q35-7.2") == "pc-q35-7.2")
        #expect(types.resolve("pc") == "pc-i440fx-7.2")
        #expect(types.resolve("virt") == nil)
        #expect(types.names.count == 3)
    }

    /// Breaks when a run state of QEMU is taken for another.
    @Test(
        "Run states are mapped",
        arguments: [
            ("running", MachineStatus.running), ("paused", .paused), ("prelaunch", .paused),
            ("postmigrate", .paused), ("finish-migrate", .paused), ("inmigrate", .incoming),
            ("shutdown", .shutdown), ("io-error", .ioError), ("internal-error", .failed),
            ("guest-panicked", .failed), ("watchdog", .failed), ("", .failed),
        ])
    func runStates(_ text: String, _ expected: MachineStatus) {
        #expect(MachineStatus(runState: text) == expected)
    }

    /// A connection to a peer that says these lines and then nothing.
    private static func connect(_ lines: String...) throws -> QMPConnection {
        let (ours, theirs) = try UnixSocket.pair(.stream).release()
        let text = lines.map { $0 + "\n" }.joined()
        let thread = WorkerThread("peer") { Stream.feed(Array(text.utf8), to: dup(theirs)) }
        defer { try? thread.join() }
        let connection: QMPConnection
        do {
            connection = try QMPConnection(
                OwnedDescriptor(owning: ours), at: "test", deadline: .now + .seconds(2))
        } catch {
            close(theirs)
            throw error
        }
        return connection
    }
}
