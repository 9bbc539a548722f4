import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// What becomes of results that cannot be written.
@Suite("Results that are lost")
struct LostOutputTests {
    private static let error =
        "livemig: error[E-IO]: the result could not be written: No space left on device; "
        + "standard output; make room where it goes\n"

    private static func inventory(_ folder: ScratchFolder) throws -> String {
        try folder.write(
            """
            <livemig version="1"><host name="alpha" address="127.0.0.1" port="1">
            <hostKey>SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA</hostKey></host></livemig>
            """, to: "hosts.xml", mode: 0o600)
        return folder.path("hosts.xml")
    }

    // Breaks when a script takes an empty file for the state of its hosts.
    @Test(
        "a full disk is an error of commands that only show something",
        arguments: [
            "host list", "host list --output json", "completion bash", "--help", "--version",
        ])
    func full(_ line: String) throws {
        let folder = try ScratchFolder()
        let environment = ["LIVEMIG_INVENTORY": try Self.inventory(folder)]
        let run = try ProgramRun(
            line.split(separator: " ").map(String.init), in: folder, environment: environment,
            to: "/dev/full")
        #expect(run.status == 5, "\(run.errors)")
        #expect(run.errors.hasSuffix(Self.error), "\(run.errors)")
    }

    // Breaks when a change that was made is reported as one that was not.
    @Test("a full disk leaves the exit code of what was changed")
    func changed() throws {
        let folder = try ScratchFolder()
        let place = try Self.inventory(folder)
        let run = try ProgramRun(
            ["host", "remove", "alpha", "--inventory", place], in: folder, to: "/dev/full")
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.errors.hasSuffix(Self.error), "\(run.errors)")
        #expect(!folder.read("hosts.xml").contains("alpha"))
    }

    // Breaks when a pipe that another program has made non-blocking loses what does not fit into it.
    @Test("the reader of a pipe may be slow")
    func slow() throws {
        let folder = try ScratchFolder()
        let whole = try ProgramRun(["completion", "bash"], in: folder)
        let path = folder.path("pipe")
        try SystemCall.check("mkfifo") { unsafe mkfifo(path, 0o600) }
        let pipe = try OwnedDescriptor.open(path, O_RDONLY | O_NONBLOCK)
        try SystemCall.check("fcntl") { fcntl(pipe.number, 1031, 4096) }  // F_SETPIPE_SZ
        let number = pipe.number
        let all = Array(whole.output.utf8)
        let reader = WorkerThread("reader") { () -> [UInt8] in
            var read: [UInt8] = []
            let deadline = MonotonicTime.now + .seconds(20)
            while read.count != all.count {
                guard MonotonicTime.now < deadline else { break }
                usleep(2000)
                read += (try? DescriptorIO.readAvailable(upTo: 4096, from: number)) ?? []
            }
            return read
        }
        let run = try ProgramRun(["completion", "bash"], in: folder, to: path, O_NONBLOCK)
        #expect(run.status == 0, "\(run.errors)")
        #expect(try reader.result(by: .now + .seconds(20))?.get() == all)
    }
}
