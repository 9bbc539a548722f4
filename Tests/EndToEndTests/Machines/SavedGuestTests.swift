import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Guests that are saved to files of their host and restored, by the command.
@Suite(.serialized) struct SavedGuestTests {
    // Breaks when a guest that is restored has lost memory or time, when anything of it runs while
    // it is saved, or when it cannot be saved again or moved afterwards.
    @Test(.timeLimit(.minutes(3)), arguments: GuestKind.allCases)
    func thereAndBack(_ kind: GuestKind) throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try kind.start(on: hosts)
        var last = try hosts.alpha.nextBeat()
        for _ in 0..<2 {
            let saved = try someone.succeed("vm", "save", "guest")
            #expect(saved.lines == ["VM guest is saved on alpha"])
            #expect(hosts.alpha.processes == [])
            #expect(hosts.alpha.savedFileMode == 0o600)
            #expect(!hosts.alpha.hasUnfinishedSave)
            #expect(try hosts.summary(on: hosts.alpha).state == .saved)
            let started = try someone.succeed("vm", "start", "guest")
            #expect(started.lines == ["VM guest is running on alpha"])
            #expect(hosts.alpha.savedFileMode == nil && !hosts.alpha.hasUnfinishedSave)
            last = try hosts.alpha.expectProgress(since: last)
            #expect(kind.faults(on: hosts.alpha) == [])
        }
        try someone.succeed("move", "guest", "--to", "beta")
        #expect(hosts.alpha.leftovers == [])
        try hosts.beta.expectProgress(since: last)
        #expect(kind.faults(on: hosts.beta) == [])
    }

    // Breaks when a saved guest is shown as another, is moved, removed or booted beside its file,
    // or cannot be given up on purpose.
    @Test(.timeLimit(.minutes(2))) func commands() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try GuestKind.synthetic.start(on: hosts)
        let beat = try hosts.alpha.nextBeat()
        try someone.run("vm", "start", "guest", "--discard-saved").expect(.vmState, "not saved")
        let line = try someone.succeed("vm", "save", "guest", "--output", "json").output
        #expect(line.contains(#""state":"saved""#))
        #expect(try someone.succeed("vm", "list").output.contains("saved"))
        #expect(try someone.succeed("vm", "show", "guest").output.contains("saved"))
        let status = try someone.succeed("status", "guest")
        #expect(status.output.contains("guest is saved on alpha"), "\(status)")
        #expect(try hosts.alpha.recover().output == "guest: saved, epoch 0\n")
        #expect(try someone.succeed("recover", "guest").output.contains("saved"))
        try someone.run("vm", "save", "guest").expect(.saved, "guest")
        let moved = try someone.run("move", "guest", "--to", "beta")
        moved.expect(.notRunning, "saved", "vm start")
        try someone.run("vm", "console", "guest").expect(.notRunning, "is saved", "vm start")
        try someone.run("vm", "remove", "guest").expect(.saved, "--discard-saved")
        #expect(hosts.alpha.savedFileMode == 0o600)
        try someone.succeed("vm", "start", "guest", "--discard-saved")
        #expect(hosts.alpha.savedFileMode == nil)
        // It has booted afresh.
        #expect(try hosts.alpha.nextBeat().number <= beat.number + 2)
        try someone.succeed("vm", "save", "guest")
        try someone.succeed("vm", "remove", "guest", "--discard-saved")
        #expect(hosts.alpha.leftovers == [])
    }

    // Breaks when a file that is not to be trusted is run, or is lost by the attempt, or when a
    // guest that nothing has run of does not stay saved.
    @Test(.timeLimit(.minutes(2))) func refusals() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB ws=1MiB rate=4MiB/s refuse-resume=1", memory: 16)
        try someone.succeed("vm", "save", "guest")
        // A disk that is held elsewhere.
        try someone.run("vm", "start", "guest").expect(.lock)
        #expect(hosts.alpha.processes == [])
        #expect(try hosts.summary(on: hosts.alpha).state == .saved)
        let path = hosts.alpha.root + "/vms/guest/saved"
        let original = try hosts.alpha.flipSavedByte(at: 2 << 20)
        let damaged = try someone.run("vm", "start", "guest")
        damaged.expect(.savedFile, "differs", "--discard-saved")
        #expect(damaged.status == 3)
        #expect(hosts.alpha.processes == [])
        #expect(try hosts.summary(on: hosts.alpha).state == .saved)
        #expect(original != 0)
        #expect(unsafe truncate(path, 4096) == 0)
        try someone.run("vm", "start", "guest").expect(.savedFile)
        #expect(try hosts.summary(on: hosts.alpha).state == .saved)
        try someone.succeed("vm", "start", "guest", "--discard-saved")
        #expect(try hosts.alpha.differingPages() == "0")
    }

    // Breaks when a guest whose save is interrupted does not run on, or a half-written file stays.
    @Test(.timeLimit(.minutes(1))) func interrupted() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=512MiB ws=1MiB rate=1MiB/s", memory: 640)
        let beat = try hosts.alpha.nextBeat()
        let command = try someone.begin(["vm", "save", "guest"])
        try expectSoon(within: .seconds(20)) { hosts.alpha.hasUnfinishedSave }
        command.signal(SIGKILL)
        _ = try command.finish()
        try expectSoon(within: .seconds(20)) {
            try !hosts.alpha.hasUnfinishedSave && hosts.summary(on: hosts.alpha).state == .running
        }
        #expect(hosts.alpha.savedFileMode == nil)
        try hosts.alpha.expectProgress(since: beat)
        #expect(try hosts.alpha.differingPages() == "0")
    }
}

extension TestHost {
    private var savedFile: String { root + "/vms/guest/saved" }

    /// The mode of the file of the guest that is saved; `nil` when there is none.
    var savedFileMode: mode_t? {
        var status = stat()
        return unsafe lstat(savedFile, &status) == 0 ? status.st_mode & 0o7777 : nil
    }

    /// Whether a file of a save is there that does not count.
    var hasUnfinishedSave: Bool { unsafe access(savedFile + ".unfinished", F_OK) == 0 }

    /// Changes the first byte of the saved guest's memory, from an offset on, that is not zero.
    /// - Returns: what it was.
    func flipSavedByte(at offset: Int) throws -> UInt8 {
        let file = try OwnedDescriptor.open(savedFile, O_RDWR)
        let number = file.number
        var byte: UInt8 = 0
        for place in offset..<offset + 1 << 20 {
            try #require(unsafe pread(number, &byte, 1, off_t(place)) == 1)
            guard byte != 0 else { continue }
            var other = ~byte
            try #require(unsafe pwrite(number, &other, 1, off_t(place)) == 1)
            return byte
        }
        return 0
    }
}
