import Glibc
import Journal
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// A host whose root is in an attacker's hands, and whose agent says what its records say: that it
/// owns other hosts' guests, by later epochs than theirs.
@Suite(.serialized) struct LyingHostTests {
    /// Forges beta's record of alpha's guest.
    private static func forge(on hosts: TwoHosts, epoch: UInt64 = 507) throws {
        let folder = "\(hosts.beta.root)/vms/guest"
        // The agent makes its folders.
        _ = try hosts.beta.agent().request(ListMachines(), for: MachineListMessage.self)
        _ = unsafe mkdir(folder, 0o700)
        var journal = try Journal(
            openingOrCreating: folder + "/ownership", uuid: TwoHosts.guest, on: .any)
        try journal.write(.owner(Epoch(epoch), nil), peer: "alpha (fenced)")
        journal.unlock()
        let text = ProcessFiles.text("\(hosts.alpha.root)/vms/guest/definition.xml")
        let file = try OwnedDescriptor.open(
            folder + "/definition.xml", O_WRONLY | O_CREAT, mode: 0o600)
        try DescriptorIO.write(Array(text.utf8), to: file.number)
    }

    // Breaks when a host that claims a guest by a later epoch has it stopped or destroyed where it
    // runs, by a recovery of everything or of that VM, or is not named.
    @Test(.timeLimit(.minutes(1))) func costsNobodyAGuest() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB rate=1MiB/s")
        let beat = try hosts.alpha.nextBeat()
        try Self.forge(on: hosts)
        for arguments in [["status", "guest"], ["recover"], ["recover", "guest"]] {
            let run = try someone.begin(arguments).finish()
            run.expect(.internal, "beta", "alpha", "--overruled alpha")
        }
        for command in [["move", "guest", "--to", "beta"], ["vm", "stop", "guest"]] {
            let run = try someone.begin(command).finish()
            #expect(run.status != 0 && run.errors.contains("beta"), "\(run)")
        }
        #expect(try hosts.summary(on: hosts.alpha).state == .running)
        try hosts.alpha.expectProgress(since: beat)
        #expect(try hosts.alpha.differingPages() == "0")
        let other = try #require(VMUUID("00000000-0000-4000-8000-00000000000b"))
        let refused = #expect(throws: LivemigError.self) {
            _ = try hosts.alpha.agent().request(
                RecoverMachine(name: try VMName("guest"), uuid: other, step: .freeze),
                for: DoneMessage.self)
        }
        #expect(refused?.code == .duplicateVM)
        let finish = RecoveryStep.finish(Attempt(migration: .random(), epoch: Epoch(507)))
        #expect(throws: LivemigError.self) {
            _ = try hosts.alpha.agent().request(
                RecoverMachine(name: try VMName("guest"), uuid: TwoHosts.guest, step: finish),
                for: DoneMessage.self)
        }
        #expect(try hosts.summary(on: hosts.alpha).state == .running)
        for file in ["ownership", "definition.xml"] {
            #expect(unsafe unlink("\(hosts.beta.root)/vms/guest/\(file)") == 0)
        }
        #expect(try someone.succeed("recover", "guest").lines.first == "guest runs on alpha")
    }

    // Breaks when an operator who is deceived, and names the wrong loser, loses the memory of a
    // guest that was saved.
    @Test(.timeLimit(.minutes(1))) func aSavedGuestIsKept() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB rate=1MiB/s")
        try someone.succeed("vm", "save", "guest")
        try Self.forge(on: hosts)
        try someone.run("recover", "guest").expect(.internal, "beta")
        #expect(hosts.alpha.savedFileMode == 0o600)
        try someone.succeed("recover", "guest", "--overruled", "alpha")
        let folder = "\(hosts.alpha.root)/vms/guest"
        #expect(unsafe access(folder + "/saved.overruled", F_OK) == 0)
        #expect(unsafe access(folder + "/definition.overruled.xml", F_OK) == 0)
        #expect(unsafe access(folder + "/definition.xml", F_OK) != 0)
        try someone.run("vm", "start", "alpha/guest").expect(.noVM)
    }
}
