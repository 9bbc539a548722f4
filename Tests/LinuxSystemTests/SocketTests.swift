import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@Suite("Unix sockets")
struct SocketTests {
    // Broken by: a path cut short in silence, so that another file is listened on.
    @Test func theLongestPath() throws {
        let folder = try ScratchFolder()
        let room = UnixSocket.pathLimit - folder.path.utf8.count - 1
        let fits = folder.path(String(repeating: "s", count: room))
        _ = try UnixSocket.listen(fits, .stream)
        #expect(unsafe access(fits, F_OK) == 0)
        for kind in [UnixSocket.Kind.stream, .packets] {
            let listening = failure { _ = try UnixSocket.listen(fits + "s", kind) }
            #expect(listening?.code == .root)
            #expect(listening?.place == fits + "s")
            #expect(failure { _ = try UnixSocket.connect(fits + "s", kind) }?.code == .root)
        }
    }

    // Broken by: a socket that others of the host may connect to, or an old file in the way.
    @Test func aListenerReplacesAnOldFileAndIsPrivate() throws {
        let folder = try ScratchFolder()
        let path = folder.path("socket")
        _ = try UnixSocket.listen(path, .packets)
        let listener = try UnixSocket.listen(path, .packets)
        var status = stat()
        #expect(unsafe stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        let client = try UnixSocket.connect(path, .packets)
        guard let server = try UnixSocket.accept(listener) else {
            Issue.record("refused")
            return
        }
        try Packet.send([1, 2, 3], to: client.number)
        #expect(try Packet.receive(from: server.number).bytes == [1, 2, 3])
    }

    // Broken by: a hypervisor that puts a link to another socket in the place of its own.
    @Test func aLinkIsNotFollowed() throws {
        let folder = try ScratchFolder()
        let listener = try UnixSocket.listen(folder.path("real"), .packets)
        #expect(unsafe symlink(folder.path("real"), folder.path("link")) == 0)
        _ = try UnixSocket.connect(folder.path("real"), .packets)
        let error = failure { _ = try UnixSocket.connect(folder.path("link"), .packets) }
        #expect(error?.code == .io)
        _ = consume listener
    }

    // Broken by: an error of another kind than the caller asked for.
    @Test func nobodyListens() throws {
        let folder = try ScratchFolder()
        let error = failure {
            _ = try UnixSocket.connect(folder.path("none"), .stream, as: .notRunning)
        }
        #expect(error?.code == .notRunning)
    }

    // Broken by: descriptors exchanged, lost, or copied without close-on-exec.
    @Test("descriptors come along in order", arguments: [0, 1, 8])
    func descriptors(count: Int) throws {
        let pair = try UnixSocket.pair(.packets)
        var readers: [CInt] = []
        var writers: [CInt] = []
        for _ in 0..<count {
            let (reader, writer) = try OwnedDescriptor.pipe().release()
            readers.append(reader)
            writers.append(writer)
        }
        defer { for number in readers { close(number) } }
        try Packet.send([9], with: writers, to: pair.first.number)
        for number in writers { close(number) }
        do {
            var packet = try Packet.receive(from: pair.second.number)
            #expect(packet.bytes == [9])
            for (index, reader) in readers.enumerated() where index < 4 {
                guard let descriptor = packet.takeDescriptor() else {
                    Issue.record("descriptor \(index) is missing")
                    return
                }
                #expect(fcntl(descriptor.number, F_GETFD) & FD_CLOEXEC != 0)
                try DescriptorIO.write([UInt8(index)], to: descriptor.number)
                var byte: [UInt8] = [0xFF]
                #expect(unsafe read(reader, &byte, 1) == 1)
                #expect(byte == [UInt8(index)])
            }
            let next = packet.takeDescriptor()
            let isEmpty =
                switch next {
                case .none: true
                case .some: false
                }
            #expect(isEmpty == (count <= 4))
        }
        // Those taken and those left in the packet are closed: every reader sees the end.
        for reader in readers {
            var byte: [UInt8] = [0]
            #expect(try Poll.wait([.init(reader)], timeout: .zero) == [reader])
            #expect(unsafe read(reader, &byte, 1) == 0)
        }
    }

    // Broken by: descriptors beyond the limit sent, and dropped by the receiver in silence.
    @Test func nineDescriptorsAreRefused() throws {
        let pair = try UnixSocket.pair(.packets)
        let nine = [CInt](repeating: pair.first.number, count: 9)
        let error = failure { try Packet.send([1], with: nine, to: pair.first.number) }
        #expect(error?.code == .internal)
        #expect(try Poll.wait([.init(pair.second.number)], timeout: .zero).isEmpty)
    }

    // Broken by: a message cut at the size limit passed on as if it was whole.
    @Test func aMessageThatIsTooLong() throws {
        let pair = try UnixSocket.pair(.packets)
        let (reader, writer) = try OwnedDescriptor.pipe().release()
        defer { close(reader) }
        let most = [UInt8](repeating: 1, count: Packet.sizeLimit)
        try Packet.send(most, to: pair.first.number)
        #expect(try Packet.receive(from: pair.second.number).bytes.count == Packet.sizeLimit)
        try Packet.send(most + [1], with: [writer], to: pair.first.number)
        close(writer)
        #expect(failure { _ = try Packet.receive(from: pair.second.number) }?.code == .io)
        #expect(try Poll.wait([.init(reader)], timeout: .zero) == [reader], "a descriptor leaked")
    }

    // Broken by: a peer that has gone not told from one that says nothing.
    @Test func thePeerHasGone() throws {
        let (first, second) = try UnixSocket.pair(.packets).release()
        close(first)
        let end = OwnedDescriptor(owning: second)
        #expect(try Packet.receive(from: end.number).bytes.isEmpty)
        #expect(failure { try Packet.send([1], to: end.number) }?.code == .disconnected)
    }
}
