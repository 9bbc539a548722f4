import Glibc
import LinuxSystem
import MigrationModel
import SSHTransport
import TestSupport
import Testing

extension SSHServerTests {
    @Suite("Pumps", .serialized)
    struct Pumps {
        @Test(
            "64 MiB come back from cat unchanged; breaks when back-pressure or half-close fails",
            arguments: [[], ["RekeyLimit 4M"]])
        func echo(_ options: [String]) throws {
            let server = try SSHServerFixture(options: options)
            let pump = try SSHPump(to: server.endpoint(), running: RemoteCommand(["cat"]))
            let end = try pump.connect()
            let total = 64 << 20
            let writer = try send(total, seed: 3, to: end)
            let (count, differsAt) = try receive(seed: 3, from: end)
            try writer.join()
            #expect(count == total)
            #expect(differsAt == nil)
            #expect(try pump.join() == SSHExit(status: 0))
        }

        @Test("A reader that pauses gets everything; breaks when the pump drops what is not taken")
        func slowReader() throws {
            let server = try SSHServerFixture()
            let pump = try SSHPump(
                to: server.endpoint(),
                running: RemoteCommand(["dd", "if=/dev/zero", "bs=1M", "count=16", "status=none"]))
            let end = try pump.connect()
            usleep(500_000)
            #expect(!pump.hasEnded)
            var bytes = [UInt8](repeating: 1, count: 17 << 20)
            let count = try unsafe bytes.withUnsafeMutableBytes {
                try unsafe DescriptorIO.readFully(into: $0, from: end.number, stall: .seconds(10))
            }
            #expect(count == 16 << 20)
            #expect(bytes.prefix(count).allSatisfy { $0 == 0 })
            #expect(try pump.join() == SSHExit(status: 0))
        }

        @Test("An idle pump sleeps; breaks when it polls in a loop")
        func idle() throws {
            let server = try SSHServerFixture()
            let pump = try SSHPump(to: server.endpoint(), running: RemoteCommand(["cat"]))
            let end = try pump.connect()
            // Output that is not read, and a half-closed direction, are the states to spin in.
            try DescriptorIO.write([UInt8](repeating: 7, count: 1 << 20), to: end.number)
            _ = shutdown(end.number, CInt(SHUT_WR))
            usleep(300_000)
            let before = cpuTime()
            usleep(500_000)
            #expect(cpuTime() - before < 0.2)
            let received = try receive(seed: 1, from: end)
            #expect(received.count == 1 << 20)
            #expect(try pump.join().status == 0)
        }

        private func cpuTime() -> Double {
            var usage = rusage()
            unsafe getrusage(RUSAGE_SELF.rawValue, &usage)
            return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
                + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
        }

        @Test("Standard error comes line by line, escaped; breaks when lines are cut or raw")
        func errors() throws {
            let server = try SSHServerFixture()
            let lines = Monitor<[String]>([])
            let pump = try SSHPump(
                to: server.endpoint(), running: RemoteCommand(["ls", "/no/a", "/no/b"]),
                onErrorLine: { line in lines.withLock { $0.append(line) } })
            let result = try pump.join()
            #expect(result.status == 2)
            #expect(lines.withLock { $0 } == result.errorLines)
            #expect(result.errorLines.count == 2)
            #expect(result.lastError.contains("/no/b"))
        }

        @Test("A pump that cannot connect says why; breaks when a caller would wait for ever")
        func cannotConnect() throws {
            let server = try SSHServerFixture()
            var endpoint = server.endpoint()
            endpoint.hostKeys = ["SHA256:" + String(repeating: "A", count: 43)]
            let pump = try SSHPump(to: endpoint, running: RemoteCommand(["cat"]))
            let isChanged = { (error: any Error) in
                (error as? LivemigError)?.code == .hostKeyChanged
            }
            #expect(performing: { _ = try pump.connect() }, throws: isChanged)
            #expect(performing: { _ = try pump.join() }, throws: isChanged)
        }

        @Test("Bytes for a command that ends at once do not hide how it ended; breaks when they do")
        func unwanted() throws {
            let server = try SSHServerFixture()
            for _ in 1...10 {
                let pump = try SSHPump(
                    to: server.endpoint(), running: RemoteCommand(["/nonexistent/agent"]))
                let end = try pump.connect()
                // However the bytes and the end meet: the local end may have gone as well.
                while (try? DescriptorIO.write([UInt8](repeating: 7, count: 4096), to: end.number))
                    != nil
                {}
                #expect(try pump.join().status == 127)
            }
        }

        @Test("A local end that goes away ends the command; breaks when it is left behind")
        func localGone() throws {
            let server = try SSHServerFixture()
            let pump = try SSHPump(
                to: server.endpoint(), running: RemoteCommand(["cat", "/dev/zero"]))
            do {
                let end = try pump.connect()
                var byte: UInt8 = 1
                #expect(unsafe read(end.number, &byte, 1) == 1)
            }
            _ = try pump.join()
            #expect(eventually { server.sessions.isEmpty })
        }

        @Test("Stopping interrupts connecting and pumping; breaks when a thread stays behind")
        func stop() throws {
            let server = try SSHServerFixture()
            let pump = try SSHPump(to: server.endpoint(), running: RemoteCommand(["cat"]))
            let end = try pump.connect()
            pump.stop()
            let isCancelled = { (error: any Error) in (error as? LivemigError)?.code == .cancelled }
            #expect(performing: { _ = try pump.join() }, throws: isCancelled)
            var byte: UInt8 = 1
            #expect(unsafe read(end.number, &byte, 1) == 0)
            pump.stop()

            kill(server.processID, SIGSTOP)
            defer { kill(server.processID, SIGCONT) }
            let hanging = try SSHPump(to: server.endpoint(), running: RemoteCommand(["cat"]))
            usleep(200_000)
            let start = MonotonicTime.now
            hanging.stop()
            #expect(performing: { _ = try hanging.join() }, throws: isCancelled)
            #expect(start.elapsed < .seconds(2))
        }

        @Test("A pump let go while it connects leaves nothing; breaks when its end or thread leaks")
        func letGo() throws {
            let server = try SSHServerFixture()
            kill(server.processID, SIGSTOP)
            defer { kill(server.processID, SIGCONT) }
            let before = openDescriptors()
            for _ in 0..<20 {
                _ = try SSHPump(to: server.endpoint(), running: RemoteCommand(["cat"]))
            }
            #expect(eventually { threads(named: "ssh-pump") == 0 })
            #expect(eventually { openDescriptors() < before + 20 })
        }

        @Test("A host that stops taking bytes; breaks when a pump can hang on it")
        func stalled() throws {
            let server = try SSHServerFixture()
            var endpoint = server.endpoint()
            endpoint.stallTimeout = .seconds(1)
            let pump = try SSHPump(to: endpoint, running: RemoteCommand(["cat"]))
            let end = try pump.connect()
            for process in server.sessions { kill(process, SIGSTOP) }
            let writer = try send(64 << 20, seed: 1, to: end)
            let start = MonotonicTime.now
            #expect { _ = try pump.join() } throws: { ($0 as? LivemigError)?.code == .stall }
            #expect(start.elapsed > .milliseconds(900) && start.elapsed < .seconds(5))
            // The writer is released by the broken socket, not by its own limit.
            #expect { try writer.join() } throws: { ($0 as? LivemigError)?.code == .disconnected }
        }

        @Test("Two pumps on one socket pair relay between two hosts; breaks when an end gets lost")
        func relay() throws {
            let source = try SSHServerFixture()
            let destination = try SSHServerFixture()
            try source.folder.write(String(repeating: "0123456789abcdef", count: 1 << 20), to: "in")
            let ends = try UnixSocket.pair(.stream).release()
            let from = try SSHPump(
                to: source.endpoint(), running: RemoteCommand(["cat", source.folder.path("in")]),
                pumping: OwnedDescriptor(owning: ends.first))
            let to = try SSHPump(
                to: destination.endpoint(),
                running: RemoteCommand(["cp", "/dev/stdin", destination.folder.path("out")]),
                pumping: OwnedDescriptor(owning: ends.second))
            try from.waitUntilRunning()
            try to.waitUntilRunning()
            #expect(try from.join().status == 0)
            #expect(try to.join() == SSHExit(status: 0))
            let compare = try ChildProcess(
                .init(
                    "/usr/bin/cmp", [source.folder.path("in"), destination.folder.path("out")]))
            #expect(compare.wait() == 0)
        }

        @Test("20 pumps at once, and nothing is left; breaks when a descriptor or thread leaks")
        func many() throws {
            let server = try SSHServerFixture()
            let before = openDescriptors()
            for _ in 0..<2 {
                let pumps = try (0..<20).map { _ in
                    try SSHPump(
                        to: server.endpoint(), running: RemoteCommand(["cat"]), retries: 3)
                }
                for (index, pump) in pumps.enumerated() {
                    let end = try pump.connect()
                    let writer = try send(1 << 20, seed: UInt64(index), to: end)
                    let (count, differsAt) = try receive(seed: UInt64(index), from: end)
                    try writer.join()
                    #expect(count == 1 << 20 && differsAt == nil)
                }
                for pump in pumps { #expect(try pump.join().status == 0) }
            }
            #expect(eventually { threads(named: "ssh-pump") == 0 })
            // Other suites of this process open and close some meanwhile; 40 pumps would leak 40.
            #expect(eventually { openDescriptors() < before + 20 })
        }
    }
}
