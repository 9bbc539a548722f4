import CLinux
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import GuestMemory

/// A library that answers as the one in a hypervisor does whose guest has broken out.
private final class FakeLibrary: Sendable {
    let path: String
    private let scratch: ScratchFolder
    private let thread: WorkerThread<Int>

    /// Listens in this process; `answer` gives what is sent back, `nil` for nothing.
    init(_ answer: @escaping @Sendable (Int) -> (guestmemory_reply, CInt)?) throws {
        scratch = try ScratchFolder()
        path = scratch.path("memory.sock")
        let number = try UnixSocket.listen(path, .packets).release()
        thread = WorkerThread("fake library") {
            let listener = OwnedDescriptor(owning: number)
            var devices = 0
            var held: [OwnedDescriptorBox] = []
            for turn in 0..<2 {
                guard try !Poll.wait([.init(listener.number)], timeout: .seconds(3)).isEmpty,
                    let client = try UnixSocket.accept(listener)
                else { break }
                var request = try Packet.receive(from: client.number)
                if request.takeDescriptor() != nil { devices += 1 }
                guard let (reply, descriptor) = answer(turn) else {
                    // It holds the connection, and its tongue.
                    held.append(OwnedDescriptorBox(client))
                    continue
                }
                let bytes = unsafe withUnsafeBytes(of: reply) { unsafe Array($0) }
                try Packet.send(
                    bytes, with: descriptor < 0 ? [] : [descriptor], to: client.number)
                if reply.failure != EPERM { break }
            }
            if !held.isEmpty { _ = try Poll.wait([], timeout: .seconds(1)) }
            return devices
        }
    }

    /// How many devices it was sent, once it is done.
    var devices: Int { get throws { try thread.join() } }
}

/// What a guest that has broken out of its hypervisor can say to the agent that tracks its writes.
@Suite(.serialized) struct PreloadAnswerTests {
    private let memory: DirtyTrackerTests.Memory
    private let own: ProcessIdentity

    init() throws {
        memory = try DirtyTrackerTests.Memory(pages: 16)
        own = try #require(ProcessIdentity(of: getpid()))
    }

    private var truth: guestmemory_reply {
        var reply = guestmemory_reply()
        reply.process = UInt32(getpid())
        reply.address = UInt64(UInt(bitPattern: unsafe memory.mapping.address))
        reply.length = UInt64(memory.mapping.byteCount)
        return reply
    }

    private func outcome(
        of expected: ProcessIdentity?, _ reply: guestmemory_reply
    ) throws -> ErrorCode? {
        let library = try FakeLibrary { _ in (reply, STDERR_FILENO) }
        return failure {
            let registration = try PreloadLibrary.startTracking(
                socket: library.path, of: expected, memory: memory.file)
            _ = try DirtyTracker(registration, pageCount: memory.file.pageCount)
        }?.code
    }

    // Breaks when the page tables of another guest's hypervisor are harvested on a guest's word, or
    // an address makes the agent trap; and when an honest answer is refused.
    @Test("only the hypervisor itself is believed, and only where its memory is")
    func lies() throws {
        #expect(try outcome(of: own, truth) == nil)
        #expect(try outcome(of: nil, truth) == nil)
        let other = try ChildProcess(.init("/bin/sleep", ["60"]))
        defer { other.end(grace: .zero) }
        var reply = truth
        reply.process = UInt32(other.id)
        #expect(try outcome(of: own, reply) == .preload)
        #expect(try outcome(of: nil, reply) == .preload)
        // The hypervisor is another process than the one that listens.
        let child = try #require(ProcessIdentity(of: other.id))
        #expect(try outcome(of: child, truth) == .preload)
        #expect(try outcome(of: child, reply) == .preload)
        for process in [0, .max, UInt32(bitPattern: -1), 1] as [UInt32] {
            reply.process = process
            #expect(try outcome(of: own, reply) == .preload, "\(process)")
        }
        let places: [UInt64] = [0, 1, truth.address &+ 4096, truth.address &- 4096, 1 << 63]
        let ends: [UInt64] = [.max, .max - 4095, 0 &- truth.length, 0 &- truth.length &+ 4096]
        for address in places + ends {
            reply = truth
            reply.address = address
            #expect(try outcome(of: own, reply) == .preload, "\(address)")
        }
        for length in [0, 4096, truth.length + 4096, .max] as [UInt64] {
            reply = truth
            reply.length = length
            #expect(try outcome(of: own, reply) == .preload, "\(length)")
        }
    }

    // Breaks when memory of the same size that is another file counts as the guest's.
    @Test("another mapping of the same size is not the guest's memory")
    func otherMemory() throws {
        let other = try DirtyTrackerTests.Memory(pages: 16)
        var reply = truth
        reply.address = UInt64(UInt(bitPattern: unsafe other.mapping.address))
        #expect(try outcome(of: own, reply) == .preload)
    }

    // Breaks when a library that never answers, or takes no connections, keeps an agent for ever.
    @Test("a library that is silent is given up", .timeLimit(.minutes(1)))
    func silence() throws {
        let library = try FakeLibrary { _ in nil }
        let limit = Duration.milliseconds(200)
        for attempt in 0..<2 {
            let start = MonotonicTime.now
            let error = failure {
                _ = try PreloadLibrary.startTracking(
                    socket: library.path, of: own, memory: memory.file, within: limit)
            }
            #expect(error?.code == .preload, "\(attempt) \(error as Any)")
            #expect(start.elapsed < .seconds(2))
        }
        let scratch = try ScratchFolder()
        let path = scratch.path("memory.sock")
        let listener = try UnixSocket.listen(path, .packets, backlog: 0)
        var waiting: [OwnedDescriptorBox] = []
        for _ in 0..<2 {
            if let one = try? UnixSocket.connect(path, .packets, within: limit) {
                waiting.append(OwnedDescriptorBox(one))
            }
        }
        #expect(waiting.count == 1)
        let full = failure {
            _ = try PreloadLibrary.startTracking(
                socket: path, of: own, memory: memory.file, within: limit)
        }
        #expect(full?.code == .preload)
        _ = consume listener
    }

    // Breaks when a hypervisor is handed the device that sees the kernel's faults without need.
    @Test("the userfaultfd device is sent to who cannot do without")
    func device() throws {
        let truth = truth
        let able = try FakeLibrary { _ in (truth, STDERR_FILENO) }
        _ = try PreloadLibrary.startTracking(socket: able.path, of: own, memory: memory.file)
        #expect(try able.devices == 0)
        var refusal = guestmemory_reply()
        refusal.failure = EPERM
        let unable = try FakeLibrary { [refusal] turn in
            turn == 0 ? (refusal, -1) : (truth, STDERR_FILENO)
        }
        _ = try PreloadLibrary.startTracking(socket: unable.path, of: own, memory: memory.file)
        #expect(try unable.devices == 1)
    }
}

/// The error of a call that must fail.
private func failure(_ body: () throws -> Void) -> LivemigError? {
    do {
        try body()
        return nil
    } catch {
        return error as? LivemigError
    }
}
