import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Guests that an error has stopped: every command says so, and what helps.
///
/// That QEMU's own errors
/// come out like this is shown by the transcript of a Linux guest whose disk is full.
@Suite(.serialized) struct StoppedByErrorTests {
    private struct Shown: Decodable {
        let state: String
        let problem: Problem?

        struct Problem: Decodable {
            let code, message, fix: String
        }
    }

    private static func hosts(typing word: String) throws -> (TwoHosts, Operator) {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB rate=1MiB/s")
        let console = try hosts.alpha.console("guest")
        try DescriptorIO.write(Array("\(word)\n".utf8), to: console.number)
        try expectSoon(within: .seconds(10)) {
            try hosts.summary(on: hosts.alpha).state != .running
        }
        return (hosts, someone)
    }

    // Breaks when one of the places calls the guest something else, or names no remedy, or the
    // remedy does not work.
    @Test(.timeLimit(.minutes(1))) func ioError() throws {
        let (hosts, someone) = try Self.hosts(typing: "io-error")
        let words = "paused by an I/O error"
        #expect(try someone.succeed("vm", "list").output.contains("io-error"))
        let shown = try someone.succeed("vm", "show", "guest").output
        #expect(shown.contains(words) && shown.contains("livemig recover guest"), "\(shown)")
        let document = try someone.succeed("vm", "show", "guest", "--output", "json")
            .decode(Shown.self).first
        #expect(document?.state == "io-error" && document?.problem?.code == "E-VMSTATE")
        let status = try someone.succeed("status", "guest").output
        #expect(status.contains(words) && status.contains("livemig recover guest"), "\(status)")
        let check = try someone.run("check", "guest", "--to", "beta")
        #expect(check.status == 3 && check.output.contains(words), "\(check)")
        let move = try someone.run("move", "guest", "--to", "beta")
        move.expect(.vmState, words, "livemig recover guest")
        #expect(move.lines.last?.contains("PAUSED BY AN I/O ERROR on alpha") == true, "\(move)")
        try someone.succeed("recover", "guest")
        #expect(try hosts.summary(on: hosts.alpha).state == .running)
        #expect(try hosts.alpha.differingPages() == "0")
    }

    // Breaks when a guest that cannot go on is taken for one that can, or for one that is off.
    @Test(.timeLimit(.minutes(1))) func failure() throws {
        let (hosts, someone) = try Self.hosts(typing: "fail")
        #expect(try someone.succeed("vm", "list").output.contains("failed"))
        let move = try someone.run("move", "guest", "--to", "beta")
        move.expect(.vmState, "the guest has failed", "livemig vm stop guest")
        try someone.succeed("vm", "stop", "guest")
        try someone.succeed("vm", "start", "guest")
        #expect(try hosts.summary(on: hosts.alpha).state == .running)
    }
}
