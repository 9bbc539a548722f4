import Glibc
import TestSupport
import Testing

/// Guests whose QEMU was updated on their host while they run.
@Suite(.serialized) struct UpdatedQEMUTests {
    // Breaks when hosts are compared by a QEMU that an update has put in place of the guest's, or
    // such a guest can no longer be moved.
    @Test(.timeLimit(.minutes(2))) func toldAndMoved() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        let folder = try ScratchFolder()
        let program = folder.path("bin/qemu-system-x86_64")
        let installed = try Tool.path("qemu-system-x86_64", package: "qemu-system-x86")
        #expect(unsafe mkdir(folder.path("bin"), 0o755) == 0)
        // QEMU finds its modules and firmware from its own folder.
        for name in ["lib", "share"] {
            #expect(unsafe symlink("/usr/" + name, folder.path(name)) == 0)
        }
        func install() throws {
            try Tool.run("cp", package: "coreutils", [installed, program + ".new"])
            #expect(unsafe rename(program + ".new", program) == 0)
        }
        try install()
        for name in ["alpha", "beta"] {
            try someone.succeed("host", "settings", name, "--emulator", program)
        }
        try hosts.start(document: IdleGuest.definition("<emulator>\(program)</emulator>"))
        let before = try someone.succeed("check", "guest", "--to", "beta")
        #expect(before.lines == ["guest: alpha → beta can be moved"], "\(before)")
        try install()
        let updated = try someone.succeed("check", "guest", "--to", "beta")
        #expect(updated.output.contains("W-VERSION  QEMU was updated"), "\(updated)")
        let move = try someone.succeed("move", "guest", "--to", "beta")
        #expect(move.errors.contains("warning[W-VERSION]"), "\(move)")
        let after = try someone.succeed("check", "guest", "--to", "alpha")
        #expect(after.lines == ["guest: beta → alpha can be moved"], "\(after)")
    }
}
