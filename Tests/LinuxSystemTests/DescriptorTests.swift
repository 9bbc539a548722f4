import Glibc
import LinuxSystem
import MigrationModel
import SystemPackage
import TestSupport
import Testing

/// The error of code that must fail with a `LivemigError`.
func failure(_ body: () throws -> Void) -> LivemigError? {
    do {
        try body()
        return nil
    } catch {
        return error as? LivemigError
    }
}

@Suite("Descriptors")
struct DescriptorTests {
    // Broken by: an owner that does not close, or a copy that keeps the pipe open: the reader
    // sees the end only when every copy of the writing end is closed.
    @Test func anOwnerClosesItsDescriptor() throws {
        let pipe = try OwnedDescriptor.pipe()
        let (reading, writing) = pipe.release()
        let reader = OwnedDescriptor(owning: reading)
        do {
            let writer = OwnedDescriptor(owning: writing)
            let copy = try writer.duplicate()
            #expect(copy.number != writer.number)
            #expect(try Poll.wait([.init(reader.number)], timeout: .zero).isEmpty)
        }
        #expect(try Poll.wait([.init(reader.number)], timeout: .zero) == [reader.number])
    }

    // Broken by: closing what was given away.
    @Test func releaseGivesTheDescriptorAway() throws {
        let number = try OwnedDescriptor.open("/dev/zero", O_RDONLY).release()
        #expect(fcntl(number, F_GETFD) >= 0)
        #expect(close(number) == 0)
    }

    // Broken by: a descriptor that every process started from here inherits.
    @Test func everyDescriptorIsCloseOnExec() throws {
        let file = try OwnedDescriptor.open("/dev/zero", O_RDONLY)
        let pipe = try OwnedDescriptor.pipe()
        let sockets = try UnixSocket.pair(.packets)
        let copy = try file.duplicate()
        let numbers = [
            file.number, copy.number, pipe.first.number, pipe.second.number, sockets.first.number,
            sockets.second.number,
        ]
        for number in numbers { #expect(fcntl(number, F_GETFD) & FD_CLOEXEC != 0) }
    }

    // Broken by: an error that does not name file, call and reason, or a link that is followed.
    @Test func openingWhatIsNotThere() throws {
        let folder = try ScratchFolder()
        let missing = failure { _ = try OwnedDescriptor.open(folder.path("x"), O_RDONLY) }
        #expect(missing?.code == .file)
        #expect(missing?.place == folder.path("x"))
        #expect(missing?.what == "open: No such file or directory")
        #expect(unsafe symlink("/dev/zero", folder.path("link")) == 0)
        let link = failure {
            _ = try OwnedDescriptor.open(folder.path("link"), O_RDONLY, as: .root)
        }
        #expect(link?.code == .root)
    }

    // Broken by: a lack of resources reported as a fault of the file.
    @Test(
        "errors of the system have a kind",
        arguments: [
            (.noMemory, .resource), (.tooManyOpenFiles, .resource), (.noSpace, .resource),
            (.noSuchFileOrDirectory, .file), (.permissionDenied, .file),
        ] as [(Errno, ErrorCode)])
    func kinds(reason: Errno, code: ErrorCode) {
        #expect(SystemCall.failure("x", reason, as: .file).code == code)
    }
}

@Suite("Reading, writing and waiting")
struct WaitingTests {
    // Broken by: a limit on silence that is not kept, or counted from the wrong moment.
    @Test func nothingToReadIsAStall() throws {
        let error = try within(.seconds(5)) { () -> LivemigError? in
            let pipe = try OwnedDescriptor.pipe()
            var byte: [UInt8] = [0]
            let number = pipe.first.number
            return failure {
                _ = try unsafe byte.withUnsafeMutableBytes {
                    try unsafe DescriptorIO.read(
                        into: $0, from: number, stall: .milliseconds(30), at: "beta")
                }
            }
        }
        #expect(error?.code == .stall)
        #expect(error?.explanation == "nothing received for 30 ms; beta")
    }

    // Broken by: a blocking write of more than there is room for, which no limit interrupts.
    @Test("a reader that takes nothing is a stall", arguments: ["socket", "pipe", "packets"])
    func nothingTakenIsAStall(kind: String) throws {
        let error = try within(.seconds(5)) { () -> LivemigError? in
            let pair =
                switch kind {
                case "socket": try UnixSocket.pair(.stream)
                case "packets": try UnixSocket.pair(.packets)
                default: try OwnedDescriptor.pipe()
                }
            let start = MonotonicTime.now
            let error = failure {
                for _ in 0..<10_000 {
                    try DescriptorIO.write(
                        [UInt8](repeating: 7, count: kind == "packets" ? 4096 : 8 << 20),
                        to: pair.second.number, stall: .milliseconds(50), at: "beta")
                }
            }
            #expect(start.elapsed < .seconds(3))
            return error
        }
        #expect(error?.code == .stall)
        #expect(error?.explanation == "nothing accepted for 50 ms; beta")
    }

    // Broken by: bytes lost or repeated where a write took only a part.
    @Test("a slow reader gets every byte", arguments: [true, false])
    func slowReader(isSocket: Bool) throws {
        try within(.seconds(20)) {
            var random = Seeded(5)
            let bytes = random.bytes(700_000)
            let pair = isSocket ? try UnixSocket.pair(.stream) : try OwnedDescriptor.pipe()
            let (first, second) = pair.release()
            let writer = WorkerThread("write") {
                let end = OwnedDescriptor(owning: second)
                try DescriptorIO.write(bytes, to: end.number, stall: .seconds(10))
            }
            let reader = OwnedDescriptor(owning: first)
            var received: [UInt8] = []
            var part = [UInt8](repeating: 0, count: 3001)
            while true {
                let number = reader.number
                let count = try unsafe part.withUnsafeMutableBytes {
                    try unsafe DescriptorIO.read(into: $0, from: number, stall: .seconds(10))
                }
                if count == 0 { break }
                received += part.prefix(count)
            }
            try writer.join()
            #expect(received == bytes)
        }
    }

    // Broken by: a peer that has gone ending this process by SIGPIPE, or not noticed.
    @Test func aReaderThatHasGone() throws {
        let pair = try UnixSocket.pair(.stream)
        let (first, second) = pair.release()
        close(first)
        let end = OwnedDescriptor(owning: second)
        let error = failure {
            try DescriptorIO.write([1], to: end.number, stall: .seconds(1), at: "beta")
        }
        #expect(error?.code == .disconnected)
        #expect(error?.place == "beta")
    }

    // Broken by: a wait that returns early, late, or with a descriptor that is not ready.
    @Test func pollSaysWhatIsReady() throws {
        let quiet = try OwnedDescriptor.pipe()
        let busy = try OwnedDescriptor.pipe()
        try DescriptorIO.write([1], to: busy.second.number)
        let interests = [Poll.Interest(quiet.first.number), .init(busy.first.number)]
        #expect(try Poll.wait(interests, timeout: .seconds(5)) == [busy.first.number])
        #expect(try Poll.wait(interests) == [busy.first.number])
        let start = MonotonicTime.now
        #expect(try Poll.wait([.init(quiet.first.number)], timeout: .milliseconds(40)) == [])
        #expect(start.elapsed >= .milliseconds(40))
        #expect(try Poll.wait([.init(quiet.first.number)], timeout: .seconds(-1)) == [])
        #expect(try Poll.wait([.init(quiet.second.number, POLLOUT)]) == [quiet.second.number])
    }

    // Broken by: arithmetic that traps on a wait without end.
    @Test func theLongestWait() throws {
        let busy = try OwnedDescriptor.pipe()
        try DescriptorIO.write([1], to: busy.second.number)
        for timeout in [Duration.nanoseconds(Int64.max), .seconds(Int64.max)] {
            let ready = try Poll.wait([.init(busy.first.number)], timeout: timeout)
            #expect(ready == [busy.first.number])
        }
    }

    // Broken by: the end of writing not told to the peer, or told twice being an error.
    @Test func aChannelEndsWritingAndGoesOnReading() throws {
        let pair = try UnixSocket.pair(.stream)
        var channel = try DescriptorChannel(socket: try pair.first.duplicate())
        try channel.finishWriting()
        try channel.finishWriting()
        #expect(failure { try channel.write([1]) }?.code == .internal)
        #expect(try Poll.wait([.init(pair.second.number)], timeout: .seconds(1)).count == 1)
        try DescriptorIO.write([42], to: pair.second.number)
        var byte: [UInt8] = [0]
        let count = try unsafe byte.withUnsafeMutableBytes {
            try unsafe channel.read(into: $0)
        }
        #expect(count == 1 && byte == [42])
    }
}
