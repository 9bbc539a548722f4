import Glibc
import MigrationModel
import TestSupport
import Testing

@testable import LinuxSystem

/// Programs of somebody else that are run for their answer.
@Suite("Programs with a limit") struct LimitedProgramTests {
    private let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
        _ = signal(SIGPIPE, SIG_IGN)
    }

    private func run(
        _ script: String, input: String = "", limit: Duration = .seconds(20),
        while isWanted: () -> Bool = { true }
    ) throws -> LimitedProgram.Result {
        try folder.write("#!/bin/sh\n" + script, to: "program", mode: 0o755)
        return try LimitedProgram(folder.path("program"), in: folder.path).run(
            input: Array(input.utf8), limit: limit, as: .hook, while: isWanted)
    }

    // Broken by: a status, a signal or the last words that are lost.
    @Test(
        "how it ended, and its last line",
        arguments: [
            ("exit 0", 0, ""), ("echo no >&2; exit 3", 3, "no"),
            ("printf 'one\\ntwo\\r\\n \\n' >&2; exit 1", 1, "two"),
            ("kill -9 $$", 137, ""), ("echo out; exit 4", 4, ""),
            ("head -c 100000 /dev/zero | tr '\\0' x >&2; echo >&2; echo end >&2", 0, "end"),
        ] as [(String, Int32, String)])
    func ending(script: String, status: Int32, line: String) throws {
        let result = try run(script)
        #expect(result == .init(ending: .ended(status), lastLine: line))
    }

    // Broken by: input that is cut, one that is too long for a pipe and blocks, or one that nobody
    // reads and that counts as a failure.
    @Test func input() throws {
        let long = String(repeating: "0123456789", count: 30_000)
        #expect(try run("wc -c >&2", input: long).lastLine == "300000")
        #expect(try run("exit 0", input: long).ending == .ended(0))
        #expect(try run("sleep 0.3; wc -c >&2", input: long).lastLine == "300000")
    }

    // Broken by: our environment, folder or descriptors in the program's hands.
    @Test func surroundings() throws {
        let variables = try run("env | sort | tr '\\n' ' ' >&2").lastLine
        #expect(variables.hasPrefix("PATH=/usr/local/sbin:"))
        #expect(try run("pwd >&2").lastLine == folder.path)
        let files = try run("for f in /proc/$$/fd/*; do printf '%s ' ${f##*/}; done >&2").lastLine
        // 3 is the folder itself; from 10 on the shell keeps descriptors of its own.
        #expect(files.split(separator: " ").compactMap { Int($0) }.allSatisfy { $0 < 4 || $0 > 9 })
    }

    // Broken by: a program that goes on at its limit, or whose children do.
    @Test func limit() throws {
        let result = try run(
            "echo waits >&2; sleep 6211 & sleep 6212", limit: .milliseconds(300))
        #expect(result == .init(ending: .late, lastLine: "waits"))
        expectGone("sleep 621")
    }

    // Broken by: a program that nobody wants any more and that is waited for.
    @Test func unwanted() throws {
        var asked = 0
        let result = try run("sleep 6221") {
            asked += 1
            return asked < 3
        }
        #expect(result.ending == .unwanted)
        expectGone("sleep 6221")
    }

    /// A process that was killed takes a moment to end.
    private func expectGone(_ command: String) {
        let deadline = MonotonicTime.now + .seconds(5)
        var left: [String] = []
        repeat {
            left = ProcessListing.commands(containing: command)
        } while !left.isEmpty && MonotonicTime.now < deadline
        #expect(left == [])
    }

    // Broken by: waiting for what a program has left running with its standard error.
    @Test(.timeLimit(.minutes(1))) func whatStaysBehind() throws {
        let result = try run("sleep 5 & echo done >&2; exit 2")
        #expect(result == .init(ending: .ended(2), lastLine: "done"))
    }
}
