import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Nothing of a guest's memory stays anywhere but in the guest's memory.
@Suite(.serialized) struct CanaryTests {
    /// Where something could be left: both hosts' folders, their sshds' and the operator's, shared
    /// memory, and the places where cores go.
    private func places(_ hosts: TwoHosts, _ someone: Operator) -> [String] {
        [hosts.alpha, hosts.beta].flatMap { [$0.root, $0.ssh.folder.path] }
            + [someone.folder.path, "/dev/shm", "/var/crash", "/var/lib/systemd/coredump"]
    }

    private func cores() -> Set<String> {
        Set(TreeListing.names(in: "/").filter { $0.hasPrefix("core") })
    }

    private func expectNothing(
        of canaries: [Canary], _ hosts: TwoHosts, _ someone: Operator, after what: String,
        _ location: SourceLocation = #_sourceLocation
    ) {
        let files = Canary.files(with: canaries, below: places(hosts, someone))
        #expect(files == [], "after \(what)", sourceLocation: location)
        let processes = Canary.processes(with: canaries)
        #expect(processes == [], "after \(what)", sourceLocation: location)
    }

    /// What happens to a part while pages travel.
    private static let ends: [(word: String, onSource: Bool, signal: CInt)] = [
        (" serve ", true, SIGKILL), (" serve ", false, SIGKILL), (" lane ", false, SIGKILL),
        (" serve ", true, SIGBUS), (" serve ", false, SIGABRT),
    ]

    /// Moves a guest with every part dying once, then to its end, and looks for its memory.
    private func watch(_ hosts: TwoHosts, guest program: String) throws {
        let someone = try Operator(hosts)
        let guest = try #require(hosts.alpha.processIDs(with: program).first)
        let canaries = try Canary.taken(from: guest, count: 8)
        try #require(canaries.count == 8)
        let coresBefore = cores()
        for end in Self.ends {
            let move = try someone.beginSlowMove()
            let host = end.onSource ? hosts.alpha : hosts.beta
            let victims = host.processIDs(with: end.word)
            #expect(!victims.isEmpty, "\(end)")
            for id in victims { kill(id, end.signal) }
            #expect(try move.finish().status == 5)
            expectNothing(of: canaries, hosts, someone, after: "\(end)")
            try expectSoon(within: .seconds(20)) {
                try hosts.beta.leftovers.isEmpty
                    && hosts.summary(on: hosts.alpha).right.word == "OWN"
            }
        }
        try someone.succeed("move", "guest", "--to", "beta")
        expectNothing(of: canaries, hosts, someone, after: "the move")
        #expect(cores().subtracting(coresBefore) == [])

        // The canaries are where they belong, and would have been found elsewhere.
        let there = try #require(hosts.beta.processIDs(with: program).first)
        let again = try Canary.guestMemory(of: there)
        let size = Int(lseek(again.number, 0, SEEK_END))
        _ = lseek(again.number, 0, SEEK_SET)
        let memory = try DescriptorIO.readFully(upTo: size, from: again.number)
        #expect(canaries.count { $0.isIn(memory) } >= 4)
        try someone.folder.write("log: ", to: "planted")
        let planted = try OwnedDescriptor.open(
            someone.folder.path("planted"), O_WRONLY | O_APPEND)
        try DescriptorIO.write(canaries[3].bytes + [10], to: planted.number)
        let found = Canary.files(with: canaries, below: places(hosts, someone))
        #expect(found == [someone.folder.path("planted")])
    }

    // Breaks when bytes of a guest's memory get into a log, a record, a core, a temporary file or a
    // process list, in a move that ends well or in one whose agents die in the middle.
    @Test(.timeLimit(.minutes(3))) func referenceGuest() throws {
        let hosts = try TwoHosts()
        try hosts.start("fill=24MiB content=random ws=1MiB rate=1MiB/s")
        try watch(hosts, guest: "livemig-synthetic-guest")
    }

    // Breaks as the one above, with what QEMU writes besides.
    @Test(.timeLimit(.minutes(5))) func linuxInQEMU() throws {
        let hosts = try TwoHosts()
        try hosts.startLinux("lm.fill=32 lm.ws=1 lm.rate=2 lm.content=random lm.beat=200")
        try watch(hosts, guest: "qemu-system")
    }

    // Breaks when what is typed at a guest's console, such as a password, is written to a log or
    // record of ours. The reference guest repeats it in its own output, which console.log is.
    @Test(.timeLimit(.minutes(1))) func consoleInput() throws {
        let hosts = try TwoHosts(trusting: false)
        let someone = try Operator(hosts)
        try hosts.start("fill=4MiB")
        let word = "typed" + UInt64.random(in: .min ... .max).hexadecimal
        let terminal = try Terminal()
        let before = terminal.mode
        let console = try someone.begin(["vm", "console", "guest"], streams: [0: terminal.number])
        try expectSoon(within: .seconds(20)) { terminal.mode != before }
        try terminal.type(word + "\n")
        try console.wait(for: word)
        try expectSoon(within: .seconds(10)) {
            ProcessFiles.text(hosts.alpha.root + "/vms/guest/console.log").contains(word)
        }
        let found = Canary.files(
            with: [Canary(Array(word.utf8))],
            below: [hosts.alpha.root, hosts.alpha.ssh.folder.path])
        #expect(found == [hosts.alpha.root + "/vms/guest/console.log"])
        #expect(Canary.processes(with: [Canary(Array(word.utf8))]) == [])
        try terminal.type("\u{1D}")
        _ = try console.finish()
    }
}
