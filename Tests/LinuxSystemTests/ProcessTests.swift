import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@Suite("Child processes")
struct ProcessTests {
    // Broken by: an exit code or a signal that is lost or mixed up.
    @Test(
        "how a process ended",
        arguments: [
            ("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137),
            ("kill -15 $$", 143),
        ] as [(String, Int32)])
    func status(script: String, status: Int32) throws {
        let child = try ChildProcess(.init("/bin/sh", ["-c", script]))
        #expect(child.wait() == status)
    }

    // Broken by: variables of this process leaking into children, or lost on the way.
    @Test func theEnvironmentIsExactlyAsGiven() throws {
        let output = try Self.output(
            "/usr/bin/env", [], environment: ["A": "1", "B": "x y=z", "EMPTY": ""])
        #expect(output == "A=1\nB=x y=z\nEMPTY=\n")
        #expect(try Self.output("/usr/bin/env", [], environment: [:]) == "")
    }

    // Broken by: arguments split or read by a shell.
    @Test func argumentsArriveAsTheyAre() throws {
        let arguments = ["%s|", "a b", "$(id)", "", "'\"", "-n"]
        let output = try Self.output("/usr/bin/printf", arguments)
        #expect(output == "a b|$(id)||'\"|-n|")
    }

    // Broken by: a descriptor that is inherited without being named, or one that is missing.
    @Test func theDescriptorsAreExactlyAsGiven() throws {
        // One that is not close-on-exec, as a library may leave behind.
        let stray = dup(2)
        defer { close(stray) }
        let files = try OwnedDescriptor.pipe()
        let named: [CInt: CInt] = [3: files.first.number, 9: files.second.number]
        let output = try Self.output(
            "/bin/sh", ["-c", "for f in /proc/$$/fd/*; do echo ${f##*/}; done"], descriptors: named)
        // 4, the lowest free number, is the folder itself while the shell reads it.
        #expect(Set(output.split(separator: "\n")) == ["0", "1", "2", "3", "4", "9"])
    }

    // Broken by: a copy that overwrites a descriptor which is still to be copied.
    @Test func targetsThatAreSourcesToo() throws {
        var readers: [CInt] = []
        var named: [CInt: CInt] = [:]
        var writers: [CInt] = []
        for _ in 0..<3 {
            let (reader, writer) = try OwnedDescriptor.pipe().release()
            readers.append(reader)
            // Numbers in the way of each other: each target is the next one's source.
            writers.append(fcntl(writer, F_DUPFD_CLOEXEC, 200))
            close(writer)
        }
        defer { for number in readers + writers { close(number) } }
        for index in 0..<3 { named[writers[(index + 1) % 3]] = writers[index] }
        let script = named.keys.sorted().map { "echo \($0) >/proc/self/fd/\($0)" }
        let child = try ChildProcess(
            .init("/bin/sh", ["-c", script.joined(separator: ";")], descriptors: named))
        #expect(child.wait() == 0)
        for index in 0..<3 {
            let text = try Self.read(readers[index], count: 8)
            #expect(text == "\(writers[(index + 1) % 3])\n")
        }
    }

    // Broken by: parking a descriptor on the number of another that is to be passed.
    @Test func sourcesThatLieWhereOthersAreParked() throws {
        let (reader, writer) = try OwnedDescriptor.pipe().release()
        defer { close(reader) }
        let high = fcntl(writer, F_DUPFD_CLOEXEC, 60)
        close(writer)
        defer { close(high) }
        let null = try OwnedDescriptor.open("/dev/null", O_WRONLY)
        for target in CInt(4)...8 {
            let child = try ChildProcess(
                .init(
                    "/bin/sh", ["-c", "echo \(target) >/proc/self/fd/\(target)"],
                    descriptors: [3: null.number, target: high]))
            #expect(child.wait() == 0)
            #expect(try Self.read(reader, count: 8) == "\(target)\n")
        }
    }

    // Broken by: one of our standard descriptors replaced before it was copied.
    @Test func aStandardDescriptorMayBeASource() throws {
        let output = try OwnedDescriptor.pipe()
        let child = try ChildProcess(
            .init(
                "/bin/sh", ["-c", "readlink /proc/self/fd/5"],
                descriptors: [1: output.second.number, 5: 0]))
        #expect(child.wait() == 0)
        var target = [CChar](repeating: 0, count: 4096)
        let length = unsafe readlink("/proc/self/fd/0", &target, target.count)
        let expected = String(
            decoding: target.prefix(max(0, length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        #expect(try Self.read(output.first.number, count: 4096) == expected + "\n")
    }

    // Broken by: waiting for ever for a process that does not want to end.
    @Test func aProcessThatIgnoresTheRequestToEndIsKilled() throws {
        let ready = try OwnedDescriptor.pipe()
        let child = try ChildProcess(
            .init(
                "/bin/sh", ["-c", "trap '' TERM; echo; while :; do sleep 1; done"],
                environment: ["PATH": "/usr/bin:/bin"], descriptors: [1: ready.second.number]))
        #expect(try Poll.wait([.init(ready.first.number)], timeout: .seconds(10)).count == 1)
        let start = MonotonicTime.now
        #expect(child.poll() == nil)
        #expect(child.end(grace: .milliseconds(200)) == 137)
        #expect(start.elapsed >= .milliseconds(200))
        #expect(start.elapsed < .seconds(10))
    }

    // Broken by: killing a process that ends by itself when asked.
    @Test func aProcessThatEndsWhenAskedIsNotKilled() throws {
        let ready = try OwnedDescriptor.pipe()
        let child = try ChildProcess(
            .init(
                "/bin/sh", ["-c", "trap 'exit 3' TERM; echo; while :; do sleep 0.05; done"],
                environment: ["PATH": "/usr/bin:/bin"], descriptors: [1: ready.second.number]))
        #expect(try Poll.wait([.init(ready.first.number)], timeout: .seconds(10)).count == 1)
        #expect(child.end() == 3)
    }

    // Broken by: a program that is not there reported as started.
    @Test func aProgramThatIsNotThere() {
        let error = failure { _ = try ChildProcess(.init("/nonexistent/program"), as: .qemu) }
        #expect(error?.code == .qemu)
        #expect(error?.place == "/nonexistent/program")
    }

    // Broken by: signals ignored or blocked here staying so in children, which then cannot be
    // ended.
    @Test func aChildStartsWithDefaultSignals() throws {
        let output = try Self.output("/bin/grep", ["-E", "^Sig(Blk|Ign)", "/proc/self/status"])
        let masks = output.split(separator: "\n").compactMap { $0.split(separator: "\t").last }
        // Signals 32 and 33 are the C library's own, and ignored by every program it starts.
        #expect(masks == ["0000000000000000", "0000000180000000"])
    }

    /// What a program writes to its standard output.
    static func output(
        _ program: String, _ arguments: [String], environment: [String: String] = [:],
        descriptors: [CInt: CInt] = [:]
    ) throws -> String {
        let (reading, writing) = try OwnedDescriptor.pipe().release()
        let reader = OwnedDescriptor(owning: reading)
        var all = descriptors
        all[1] = writing
        let started = Result {
            try ChildProcess(
                .init(program, arguments, environment: environment, descriptors: all)
            ).wait()
        }
        close(writing)
        #expect(try started.get() == 0)
        return try read(reader.number, count: 60_000)
    }

    static func read(_ number: CInt, count: Int) throws -> String {
        var bytes = [UInt8](repeating: 0, count: count)
        let received = try unsafe bytes.withUnsafeMutableBytes {
            try unsafe DescriptorIO.read(into: $0, from: number, stall: .seconds(10))
        }
        return String(decoding: bytes.prefix(received), as: UTF8.self)
    }
}
