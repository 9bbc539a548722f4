import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@Suite("Which process is meant")
struct ProcessIdentityTests {
    // Broken by: a process taken for ended while it lives or the other way round; a zombie, which
    // nobody has waited for, taken for alive.
    @Test("a process is alive until it has ended, whoever waits for it")
    func ending() throws {
        let child = try ChildProcess(.init("/bin/sleep", ["60"]))
        let identity = try #require(ProcessIdentity(of: child.id))
        #expect(identity.condition == .alive)
        let read = try #require(ProcessIdentity(identity.text))
        #expect(read == identity)
        let isOpen = read.open() != nil
        #expect(isOpen)
        child.signal(SIGSTOP)
        #expect(read.condition == .alive)
        child.signal(SIGKILL)
        #expect(try !Poll.wait([.init(child.handle.number)], timeout: .seconds(5)).isEmpty)
        #expect(read.condition == .ended)
        let isClosed = read.open() == nil
        #expect(isClosed)
        _ = child.wait()
        #expect(read.condition == .ended)
        #expect(ProcessIdentity(of: child.id) == nil)
    }

    // Broken by: a process whose first thread has ended taken for one that has ended: the threads of
    // a guest's processors would run on.
    @Test("a process lives while one of its threads does")
    func threads() throws {
        let (reader, writer) = try OwnedDescriptor.pipe().release()
        let reading = OwnedDescriptor(owning: reader)
        let writing = OwnedDescriptor(owning: writer)
        let program = """
            import ctypes, threading, time, os
            threading.Thread(target=time.sleep, args=(30,)).start()
            os.write(1, b'x')
            ctypes.CDLL(None).pthread_exit(None)
            """
        let child = try ChildProcess(
            .init("/usr/bin/python3", ["-c", program], descriptors: [1: writing.number]))
        defer { child.end(grace: .zero) }
        #expect(try !Poll.wait([.init(reading.number)], timeout: .seconds(10)).isEmpty)
        let identity = try #require(ProcessIdentity(of: child.id))
        let deadline = MonotonicTime.now + .seconds(10)
        while !ProcessFiles.text("/proc/\(child.id)/stat").contains(") Z "), deadline > .now {
            usleep(10_000)
        }
        #expect(ProcessFiles.text("/proc/\(child.id)/stat").contains(") Z "))
        #expect(identity.condition == .alive)
    }

    // Broken by: a number that another process has got meanwhile, one of an earlier boot, or one of
    // another container believed.
    @Test("another process of the same number is not meant")
    func others() throws {
        let own = try #require(ProcessIdentity(of: getpid()))
        let words = own.text.split(whereSeparator: \.isWhitespace).map(String.init)
        let world = words[2].split(separator: "/").map(String.init)
        let later = try #require(ProcessIdentity("\(words[0]) 1 \(words[2])\n"))
        #expect(later.condition == .ended)
        let boot = try #require(ProcessIdentity("\(words[0]) \(words[1]) other/\(world[1])\n"))
        #expect(boot.condition == .ended)
        let space = try #require(ProcessIdentity("\(words[0]) \(words[1]) \(world[0])/1\n"))
        #expect(space.condition == .unknown)
        for text in ["", "1", "0 1 a/b", "-1 1 a/b", "1 x a/b", "1 2 a/b c", "99999999999 1 a/b"] {
            #expect(ProcessIdentity(text) == nil, "\(text)")
        }
    }
}
