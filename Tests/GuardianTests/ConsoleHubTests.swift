import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import Guardian

/// What reads a guest's serial ports, with a stream socket in the place of the hypervisor.
@Suite struct ConsoleHubTests {
    /// A port that the test writes to, and a hub that reads it.
    private final class Bench {
        let scratch: ScratchFolder
        let folder: MachineFolder
        let hub: ConsoleHub
        private let listener: OwnedDescriptor
        private var port: OwnedDescriptorBox?

        init() throws {
            scratch = try ScratchFolder()
            folder = MachineFolder(path: scratch.path)
            _ = unsafe mkdir(folder.sockets, 0o700)
            listener = try UnixSocket.listen(folder.consoleSocket, .stream)
            hub = try ConsoleHub(folder, logs: true)
            try hub.connect(folder.serialSockets(1))
            guard let accepted = try UnixSocket.accept(listener) else {
                throw LivemigError(.permission, "the hub is of another user")
            }
            port = OwnedDescriptorBox(accepted)
        }

        deinit { hub.end() }

        /// The guest writes; fails when the port is not read.
        func write(_ bytes: [UInt8]) throws {
            try DescriptorIO.write(
                bytes, to: #require(port).descriptor.number, stall: .seconds(10))
        }

        /// What the guest reads next.
        func typed() throws -> String {
            let number = try #require(port).descriptor.number
            let ready = try Poll.wait([.init(number)], timeout: .seconds(10))
            guard !ready.isEmpty else { return "" }
            return String(
                decoding: try DescriptorIO.readAvailable(upTo: 4096, from: number), as: UTF8.self)
        }

        func powerOff() { port = nil }

        func user(_ access: ConsoleAccess) throws -> (socket: OwnedDescriptorBox, types: Bool) {
            let ends = try UnixSocket.pair(.stream).release()
            let answer = try hub.add(OwnedDescriptor(owning: ends.second), access)
            return (OwnedDescriptorBox(OwnedDescriptor(owning: ends.first)), answer.canType)
        }

        func size(_ path: String) -> Int {
            var status = stat()
            return unsafe stat(path, &status) == 0 ? status.st_size : 0
        }
    }

    private static func text(_ socket: OwnedDescriptorBox, until word: String) throws -> String {
        var text = ""
        while !text.contains(word) {
            let ready = try Poll.wait([.init(socket.descriptor.number)], timeout: .seconds(10))
            let bytes =
                try ready.isEmpty
                ? [] : DescriptorIO.readAvailable(upTo: 4096, from: socket.descriptor.number)
            guard !bytes.isEmpty else { break }
            text += String(decoding: bytes, as: UTF8.self)
        }
        return text
    }

    // Breaks when a user who does not read holds the guest's output up, or other users.
    @Test func aUserWhoDoesNotRead() throws {
        let bench = try Bench()
        let stuck = try bench.user(.type)
        let line = Array((String(repeating: "x", count: 79) + "\n").utf8)
        for _ in 0..<40_000 { try bench.write(line) }
        let other = try bench.user(.watch)
        try bench.write(Array("the end\n".utf8))
        #expect(try Self.text(other.socket, until: "the end").contains("the end"))
        // The one who was stuck hears that something is missing, and goes on.
        #expect(try Self.text(stuck.socket, until: "dropped]").contains("bytes of output dropped]"))
    }

    // Breaks when what a guest prints fills the disk, or the last of it is not kept.
    @Test func theLogStaysShort() throws {
        let bench = try Bench()
        let chunk = [UInt8](repeating: 0x61, count: 64 << 10)
        for _ in 0..<80 { try bench.write(chunk) }
        try bench.write(Array("last words\n".utf8))
        bench.hub.drain()
        let sizes = [bench.folder.consoleLog, bench.folder.previousConsoleLog].map(bench.size)
        #expect(sizes.allSatisfy { $0 > 0 && $0 <= ConsoleLog.limit }, "\(sizes)")
        #expect(bench.scratch.read("console.log").hasSuffix("last words\n"))
    }

    // Breaks when two users type at once, a watching one reaches the guest, or nobody can take over.
    @Test func oneTypes() throws {
        let bench = try Bench()
        let first = try bench.user(.type)
        let second = try bench.user(.type)
        #expect(first.types && !second.types)
        try DescriptorIO.write(Array("no".utf8), to: second.socket.descriptor.number)
        try DescriptorIO.write(Array("yes".utf8), to: first.socket.descriptor.number)
        #expect(try bench.typed() == "yes")
        let third = try bench.user(.takeOver)
        #expect(third.types)
        try DescriptorIO.write(Array("old".utf8), to: first.socket.descriptor.number)
        try DescriptorIO.write(Array("new".utf8), to: third.socket.descriptor.number)
        #expect(try bench.typed() == "new")
        // Whoever has left types no more, and the next one may.
        _ = shutdown(third.socket.descriptor.number, CInt(SHUT_RDWR))
        let deadline = MonotonicTime.now + .seconds(10)
        var next = try bench.user(.type)
        while !next.types, deadline > .now {
            usleep(5_000)
            next = try bench.user(.type)
        }
        #expect(next.types)
    }

    // Breaks when a port is left with output that nobody reads while its state is saved.
    @Test func drainReadsAll() throws {
        let bench = try Bench()
        for _ in 0..<100 {
            try bench.write(Array("tick".utf8))
            bench.hub.drain()
        }
        #expect(bench.scratch.read("console.log").count == 400)
    }

    // Breaks when users do not hear of the guest's end, or lose what it said last.
    @Test func theEnd() throws {
        let bench = try Bench()
        let user = try bench.user(.watch)
        try bench.write(Array("bye".utf8))
        bench.powerOff()
        #expect(try Self.text(user.socket, until: "nothing like this") == "bye")
        #expect(throws: LivemigError.self) { _ = try bench.user(.watch) }
    }

    // Breaks when a hypervisor can fill the disk with messages, or its last ones are lost.
    @Test func theHypervisorsLogIsCut() throws {
        let scratch = try ScratchFolder()
        let path = scratch.path("hypervisor.log")
        let file = try OwnedDescriptor.open(path, O_WRONLY | O_CREAT | O_APPEND)
        let line = [UInt8](repeating: 0x62, count: 4096)
        for _ in 0..<300 { try DescriptorIO.write(line, to: file.number) }
        try DescriptorIO.write(Array("the reason\n".utf8), to: file.number)
        HypervisorLog.cut(path)
        try DescriptorIO.write(Array("later\n".utf8), to: file.number)
        let text = scratch.read("hypervisor.log")
        #expect(text.hasSuffix("the reason\nlater\n") && text.utf8.count <= 20 << 10)
    }
}
