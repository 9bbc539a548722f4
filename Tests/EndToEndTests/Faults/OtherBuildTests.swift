import Glibc
import Journal
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Guardians of another build than the agent beside them, as after an upgrade or a downgrade of a
/// host whose guests run on.
@Suite(.serialized) struct OtherBuildTests {
    /// A host whose guest has a guardian that speaks another version; the next one does not.
    private static func hosts(speaking version: String) throws -> TwoHosts {
        let hosts = try TwoHosts()
        try hosts.start("fill=4MiB rate=1MiB/s")
        let path = hosts.alpha.root + "/guardian-protocol"
        let file = try OwnedDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC)
        try DescriptorIO.write(Array(version.utf8), to: file.number)
        try hosts.alpha.killGuardian()
        let run = try hosts.alpha.recover("guest")
        #expect(run.status == 0, "\(run)")
        _ = unsafe unlink(path)
        return hosts
    }

    // Breaks when a guest whose guardian is of an older build (without versions) or of a newer one
    // is shown as stopped or as one with a full disk, or when an operation guesses what it says.
    @Test(.timeLimit(.minutes(2)), arguments: ["0", "99"])
    func isNamedAndTakenOver(_ version: String) throws {
        let hosts = try Self.hosts(speaking: version)
        let someone = try Operator(hosts)
        let list = try someone.succeed("vm", "list")
        #expect(list.output.contains("unknown") && !list.output.contains("stopped"), "\(list)")
        let shown = try someone.succeed("vm", "show", "guest")
        #expect(shown.output.contains("guardian of VM guest is of another build"), "\(shown)")
        #expect(!shown.output.contains("disk"), "\(shown)")
        let words = "guardian of VM guest is of another build"
        try someone.run("move", "guest", "--to", "beta").expect(.version, words)
        try someone.run("vm", "stop", "guest").expect(.version, words)
        try someone.run("vm", "save", "guest").expect(.version, words)
        try someone.run("vm", "console", "guest").expect(.version, words)
        try someone.succeed("recover", "guest")
        #expect(try hosts.summary(on: hosts.alpha).state == .running)
        try someone.succeed("move", "guest", "--to", "beta")
        #expect(try hosts.beta.differingPages() == "0")
        #expect(hosts.alpha.leftovers == [])
    }

    // Breaks when `livemig-agent recover`, on the host itself, passes such a guardian over.
    @Test(.timeLimit(.minutes(1))) func isTakenOverOnItsHost() throws {
        let hosts = try Self.hosts(speaking: "99")
        let run = try hosts.alpha.recover("guest")
        #expect(run.status == 0 && run.output.contains("taken over by a new guardian"), "\(run)")
        #expect(try hosts.summary(on: hosts.alpha).state == .running)
    }

    // Breaks when a guardian of another build is ended whose record says that it moves its guest.
    @Test(.timeLimit(.minutes(1))) func isNotTakenOverDuringItsMove() throws {
        let hosts = try Self.hosts(speaking: "99")
        let someone = try Operator(hosts)
        let record = hosts.alpha.root + "/vms/guest/ownership"
        var forged = try Journal(
            openingOrCreating: record + ".forged", uuid: TwoHosts.guest, on: .any)
        try forged.write(.intent(Attempt(migration: .random(), epoch: Epoch(1))), peer: "beta")
        forged.unlock()
        // The guardian's own file comes back afterwards.
        #expect(unsafe link(record, record + ".kept") == 0)
        #expect(unsafe rename(record + ".forged", record) == 0)
        let guardians = hosts.alpha.guardians
        let words = "and a move is under way"
        let onHost = try hosts.alpha.recover("guest")
        #expect(onHost.status != 0 && onHost.output.contains(words), "\(onHost)")
        try someone.run("recover", "guest").expect(.version, words)
        #expect(hosts.alpha.guardians == guardians)
        #expect(unsafe rename(record + ".kept", record) == 0)
        try someone.succeed("recover", "guest")
        #expect(try hosts.summary(on: hosts.alpha).state == .running)
        #expect(hosts.alpha.guardians != guardians)
    }

    // Breaks when a guardian of another build is ended while it moves its guest.
    @Test(.timeLimit(.minutes(1))) func aMoveUnderWayIsLeftAlone() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=32MiB rate=1MiB/s")
        let guardians = hosts.alpha.processes.filter { $0.contains("guard") }
        let move = try someone.beginSlowMove()
        let run = try hosts.alpha.recover("guest")
        #expect(run.output.contains("left alone"), "\(run)")
        #expect(hosts.alpha.processes.filter { $0.contains("guard") } == guardians)
        move.signal(SIGINT)
        _ = try move.finish()
    }
}
