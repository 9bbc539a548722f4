import Glibc
import LinuxSystem
import MigrationModel
import SSHTransport
import TestSupport
import Testing

extension SSHServerTests {
    @Suite("Channels", .serialized)
    struct Channels {
        private func text(_ channel: inout SSHBulkChannel) throws -> String {
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = try unsafe bytes.withUnsafeMutableBytes {
                try unsafe channel.readFully(into: $0)
            }
            return String(decoding: bytes.prefix(count), as: UTF8.self)
        }

        @Test(
            "64 MiB arrive whole and in order; breaks when a short write or a rekey loses bytes",
            arguments: [SSHCipherProfile.bulkToServer, .control],
            [[], ["RekeyLimit 4M"]])
        func bulk(_ profile: SSHCipherProfile, _ options: [String]) throws {
            let server = try SSHServerFixture(options: options)
            var lane = try SSHBulkChannel(
                to: server.endpoint(), running: RemoteCommand(["sha256sum"]), profile: profile)
            let file = try OwnedDescriptor.open(server.folder.path("copy"), O_WRONLY | O_CREAT)
            var pattern = Pattern(seed: 7)
            for index in 0..<256 {
                let piece = pattern.next(index % 2 == 0 ? 256 << 10 : (256 << 10) - 77)
                try lane.write(piece)
                try DescriptorIO.write(piece, to: file.number)
            }
            try lane.finishWriting()
            let remote = try text(&lane)
            let result = try lane.finish()
            #expect(result.status == 0)
            let sum = try OwnedDescriptor.open(server.folder.path("sum"), O_WRONLY | O_CREAT)
            let check = try ChildProcess(
                .init(
                    "/usr/bin/sha256sum", [server.folder.path("copy")],
                    descriptors: [1: sum.number]))
            #expect(check.wait() == 0)
            #expect(remote.prefix(64) == server.folder.read("sum").prefix(64))
        }

        @Test(
            "The end of input reaches the command, its answer comes after; breaks without half-close"
        )
        func halfClose() throws {
            let server = try SSHServerFixture()
            var lane = try SSHBulkChannel(
                to: server.endpoint(), running: RemoteCommand(["wc", "-c"]))
            try lane.write([UInt8](repeating: 1, count: 1_000_000))
            try lane.finishWriting()
            try lane.finishWriting()
            #expect(try text(&lane).contains("1000000"))
            #expect(try lane.finish() == SSHExit.ofSuccess)
        }

        @Test(
            "Exit status and standard error are told; breaks when either is lost",
            arguments: [
                (["false"], Int32(1), ""), (["ls", "/no/such/file"], 2, "No such file"),
                (["no-such-program"], 127, "not found"),
            ])
        func failure(_ words: [String], _ status: Int32, _ message: String) throws {
            let server = try SSHServerFixture()
            let session = try SSHSession(connecting: server.endpoint())
            var channel = try session.openExec(RemoteCommand(words))
            let result = try channel.finish()
            #expect(result.status == status)
            #expect(message.isEmpty || result.lastError.contains(message))
        }

        @Test("Standard error is bounded and escaped; breaks when a command can flood us")
        func floodOfErrors() throws {
            let server = try SSHServerFixture()
            let session = try SSHSession(connecting: server.endpoint())
            var channel = try session.openExec(
                RemoteCommand(["dd", "if=/dev/urandom", "of=/dev/stderr", "bs=64k", "count=100"]))
            let result = try channel.finish()
            #expect(result.status == 0)
            let size = result.errorLines.reduce(0) { $0 + $1.utf8.count }
            #expect(size > 1000 && size < 4096 * 12)
            #expect(
                result.errorLines.allSatisfy {
                    $0.unicodeScalars.allSatisfy { (" "..."~").contains($0) || $0 == "…" }
                })
        }

        @Test(
            "Writing to a command that has ended says how it ended; breaks when the status is lost")
        func writeAfterEnd() throws {
            let server = try SSHServerFixture()
            var lane = try SSHBulkChannel(
                to: server.endpoint(), running: RemoteCommand(["no-such-program"]))
            var failure: LivemigError?
            do throws(LivemigError) {
                for _ in 0..<1000 { try lane.write([UInt8](repeating: 0, count: 256 << 10)) }
            } catch { failure = error }
            #expect(failure?.code == .disconnected)
            #expect(failure?.what.contains("127") ?? false)
            #expect(lane.exit.status == 127)
        }

        @Test("A host that stops taking bytes; breaks when a write can wait without limit")
        func stalledWrite() throws {
            let server = try SSHServerFixture()
            var endpoint = server.endpoint()
            endpoint.stallTimeout = .seconds(1)
            var lane = try SSHBulkChannel(
                to: endpoint, running: RemoteCommand(["dd", "of=/dev/null"]))
            try lane.write([1, 2, 3])
            for process in server.sessions { kill(process, SIGSTOP) }
            let start = MonotonicTime.now
            var failure: LivemigError?
            do throws(LivemigError) {
                for _ in 0..<1000 { try lane.write([UInt8](repeating: 0, count: 256 << 10)) }
            } catch { failure = error }
            #expect(failure?.code == .stall)
            #expect(start.elapsed > .milliseconds(900) && start.elapsed < .seconds(5))
        }

        @Test("A host that falls silent; breaks when a read can wait without limit")
        func stalledRead() throws {
            let server = try SSHServerFixture()
            let session = try SSHSession(connecting: server.endpoint())
            var channel = try session.openExec(RemoteCommand(["cat"]))
            channel.readTimeout = .milliseconds(300)
            let start = MonotonicTime.now
            #expect {
                var bytes = [UInt8](repeating: 0, count: 16)
                _ = try unsafe bytes.withUnsafeMutableBytes { try unsafe channel.read(into: $0) }
            } throws: {
                ($0 as? LivemigError)?.code == .stall
            }
            #expect(start.elapsed > .milliseconds(250) && start.elapsed < .seconds(3))
        }

        @Test("A connection that is cut; breaks when the end looks like a clean one")
        func cut() throws {
            let server = try SSHServerFixture()
            let session = try SSHSession(connecting: server.endpoint())
            var channel = try session.openExec(RemoteCommand(["cat"]))
            for process in server.sessions { kill(process, SIGKILL) }
            #expect {
                var bytes = [UInt8](repeating: 0, count: 16)
                _ = try unsafe bytes.withUnsafeMutableBytes { try unsafe channel.read(into: $0) }
            } throws: {
                ($0 as? LivemigError)?.code == .disconnected
            }
        }

        @Test("A forced command runs whatever is asked for; breaks when the request is not exec")
        func forcedCommand() throws {
            let server = try SSHServerFixture(
                keyOptions: "restrict,command=\"/bin/echo forced $SSH_ORIGINAL_COMMAND\"")
            var lane = try SSHBulkChannel(
                to: server.endpoint(), running: RemoteCommand(["cat", "/etc/passwd"]))
            #expect(try text(&lane) == "forced cat /etc/passwd\n")
        }
    }
}

extension SSHExit {
    /// A command that ended well and said nothing on standard error.
    static var ofSuccess: SSHExit { SSHExit(status: 0) }
}
