import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// How the copy of memory is verified: what each level finds, and what becomes of the guest then.
///
/// Memory is changed where no tracking sees it, through the file that it lies in, after the pages
/// were placed and while others are still on their way.
@Suite(.serialized) struct VerificationTests {
    /// 24 MiB of noise, of which the last 16 are never written again.
    private static let workload =
        "fill=24MiB ws=8MiB rate=1MiB/s content=random zero=0 writers=2"
    /// In the part that is never written again; round 0 goes on for long after them.
    private static let victims: Range<UInt64> = 2100..<2120

    /// Begins a move and waits until the victims are on the destination.
    private func beginAndAwaitVictims(
        _ level: MigrationPolicy.Verification, _ hosts: TwoHosts, _ someone: Operator
    ) throws -> CommandInProgress {
        let move = try someone.begin([
            "move", "guest", "--to", "beta", "--verify", level.word, "--bandwidth", "16MiB/s",
            "--compression", "none", "--output", "json",
        ])
        let source = try hosts.alpha.openGuestMemory()
        let last = try source.page(Self.victims.upperBound - 1)
        #expect(last.contains { $0 != 0 })
        try expectSoon(within: .seconds(20)) {
            let copy = try? hosts.beta.openGuestMemory()
            return try copy?.page(Self.victims.upperBound - 1) == last
        }
        return move
    }

    // Breaks when a level is refused, not stated in the result, or damages the guest.
    @Test(.timeLimit(.minutes(2))) func everyLevelMovesTheGuest() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start("fill=32MiB ws=8MiB rate=50MiB/s content=mixed writers=2 zero=8")
        var (here, there) = (hosts.alpha, hosts.beta)
        for level in MigrationPolicy.Verification.allCases {
            let run = try someone.succeed(
                "move", "guest", "--to", there.name.text, "--verify", level.word,
                "--output", "json")
            let lines = try run.moveLines()
            #expect(lines.last?.verified == level.word, "\(run)")
            #expect(lines.last?.differingPages == nil)
            #expect(lines.compactMap(\.phase).contains("audit") == (level == .audit))
            #expect(here.leftovers == [])
            #expect(here.processes == [])
            #expect(try there.differingPages() == "0", "\(level)")
            (here, there) = (there, here)
        }
    }

    // Breaks when the destination's memory is not read again before the device state is loaded,
    // the pages are not named, the guest does not go on on the source, or the next move does not
    // work.
    @Test(.timeLimit(.minutes(2))) func fullFindsWhatChangedOnTheDestination() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let move = try beginAndAwaitVictims(.full, hosts, someone)
        try hosts.beta.openGuestMemory().flip(Self.victims)
        let run = try move.finish()
        let numbers = Self.victims.prefix(16).map(String.init).joined(separator: ", ")
        run.expect(
            .verify, "20 pages differ: \(numbers), …", "20 changed on the destination",
            "do not trust")
        #expect(run.status == 9)
        let result = try #require(try run.moveLines().last)
        #expect(result.outcome == "failed")
        #expect(result.verified == nil)
        #expect(result.vmIs == .init(state: "running", host: "alpha", epoch: 1))
        try hosts.expectUntouched()
        #expect(try hosts.alpha.differingPages() == "0")
        let again = try someone.succeed("move", "guest", "--to", "beta", "--verify", "full")
        #expect(again.lines.last?.hasSuffix("16,384 pages verified (full).") == true, "\(again)")
        #expect(try hosts.beta.differingPages() == "0")
    }

    // Breaks when `pages` is said to find what it cannot, so that the other levels prove nothing.
    @Test(.timeLimit(.minutes(1))) func pagesDoesNotReadMemoryAgain() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let move = try beginAndAwaitVictims(.pages, hosts, someone)
        try hosts.beta.openGuestMemory().flip(Self.victims.prefix(1))
        try hosts.alpha.openGuestMemory().flip(Self.victims.suffix(1))
        let run = try move.finish()
        #expect(run.status == 0, "\(run)")
        // The one changed on the destination; the other never left the source.
        #expect(try hosts.beta.differingPages() == "1")
    }

    // Breaks when a write that tracking does not see is not found before the commit, or its page
    // is put down to the destination.
    @Test(.timeLimit(.minutes(1))) func fullFindsWhatTrackingMissed() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let move = try beginAndAwaitVictims(.full, hosts, someone)
        try hosts.alpha.openGuestMemory().flip(Self.victims.prefix(1))
        let run = try move.finish()
        run.expect(.verify, "1 page differs: 2100", "none was changed on the destination")
        #expect(run.status == 9)
        let result = try #require(try run.moveLines().last)
        #expect(result.vmIs == .init(state: "running", host: "alpha", epoch: 1))
        try hosts.expectUntouched()
        // The guest has that byte now, as it would have without the move.
        #expect(try hosts.alpha.differingPages() == "1")
    }

    // Breaks when a write that tracking does not see is not found by the audit, the result does not
    // say where the guest is, the operator is told that all is well, or the source keeps anything.
    @Test(.timeLimit(.minutes(1))) func auditFindsWhatTrackingMissed() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        try hosts.start(Self.workload)
        let move = try beginAndAwaitVictims(.audit, hosts, someone)
        try hosts.alpha.openGuestMemory().flip(Self.victims)
        let run = try move.finish()
        run.expect(.verify, "20 pages differ: 2100, 2101,", "after the commit", "cannot go back")
        #expect(run.status == 9)
        let result = try #require(try run.moveLines().last)
        #expect(result.outcome == "moved")
        #expect(result.verified == nil)
        let first = Array(Self.victims.prefix(16))
        #expect(result.differingPages == .init(count: 20, first: first))
        #expect(result.vmIs == .init(state: "running", host: "beta", epoch: 1))
        #expect(hosts.alpha.leftovers == [])
        #expect(hosts.alpha.processes == [])
        // A copy from before the bytes were changed, whole in itself.
        #expect(try hosts.beta.differingPages() == "0")
    }

    // Breaks when digests that differ are not noticed, the pages are not looked for in the hashes
    // of both hosts, or the guest stands still for it.
    @Test(.timeLimit(.minutes(1)), arguments: [MigrationPolicy.Verification.pages, .audit])
    func digestsThatDiffer(_ level: MigrationPolicy.Verification) throws {
        let hosts = try TwoHosts()
        try hosts.start(Self.workload)
        var policy = MigrationPolicy()
        policy.verification = level
        let move = try hosts.begin(from: hosts.alpha, to: hosts.beta, policy, strayKey: true)
        let error = #expect(throws: LivemigError.self) { try move.finish() }
        #expect(error?.code == .verify, "\(error.map(String.init(describing:)) ?? "")")
        // The heartbeat's page and all that are filled.
        #expect(
            error?.what.contains("6145 pages differ: 0, 1, 2, 3,") == true, "\(error?.what ?? "")")
        #expect(error?.guest?.state == .running)
        #expect(try move.verdictOfDestination()?.code == .verify)
        try move.source.close()
        try move.destination.close()
        try hosts.expectUntouched()
        #expect(try hosts.alpha.differingPages() == "0")
        let (report, _) = try hosts.move(from: hosts.alpha, to: hosts.beta, policy)
        #expect(report.verified == level)
    }

    // Breaks when `frame` compares pages after all, or claims that it did.
    @Test(.timeLimit(.minutes(1))) func frameComparesNoPages() throws {
        let hosts = try TwoHosts()
        try hosts.start(Self.workload)
        var policy = MigrationPolicy()
        policy.verification = .frame
        let move = try hosts.begin(from: hosts.alpha, to: hosts.beta, policy, strayKey: true)
        let report = try move.finish()
        try move.close()
        #expect(report.verified == .frame)
        #expect(try hosts.beta.differingPages() == "0")
    }

    // Breaks when QEMU writes guest memory where the copy is compared: while it saves or loads its
    // devices, while it starts, or after its guest has gone.
    @Test(.timeLimit(.minutes(3))) func everyLevelMovesLinux() throws {
        let hosts = try TwoHosts()
        try hosts.startLinux("lm.fill=64 lm.ws=16 lm.rate=50 lm.content=mixed lm.beat=100")
        var last = try hosts.alpha.nextBeat()
        var (here, there) = (hosts.alpha, hosts.beta)
        for level in MigrationPolicy.Verification.allCases {
            var policy = MigrationPolicy()
            policy.verification = level
            let (report, _) = try hosts.move(from: here, to: there, policy)
            #expect(report.verified == level)
            #expect(report.differing.isEmpty, "\(report.differing)")
            #expect(here.leftovers == [])
            print("QEMU, \(level.word): blackout \(report.downtime.total.brief)")
            (here, there) = (there, here)
            last = try here.expectProgress(since: last)
        }
    }
}

extension TestHost {
    /// Opens the memory of the guest that is on this host, past the guest's own mapping.
    func openGuestMemory() throws -> OpenGuestMemory {
        let paths = ProcessListing.ids(containing: root).compactMap(GuestMemoryHolders.path)
        for path in paths {
            // A link of proc(5), which `OwnedDescriptor.open` would not follow.
            let number = unsafe Glibc.open(path, O_RDWR | O_CLOEXEC)
            if number >= 0 { return OpenGuestMemory(OwnedDescriptor(owning: number)) }
        }
        throw LivemigError(.vmState, "no guest memory on \(name)")
    }
}

/// The memory file of a guest.
final class OpenGuestMemory {
    private let file: OwnedDescriptor

    init(_ file: consuming OwnedDescriptor) { self.file = file }

    /// The content of a page.
    func page(_ number: UInt64) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = unsafe pread(file.number, &bytes, bytes.count, off_t(number * 4096))
        try #require(count == bytes.count)
        return bytes
    }

    /// Changes one byte of each of some pages.
    func flip(_ pages: some Sequence<UInt64>) throws {
        for number in pages {
            var byte = try page(number)[1234] ^ 0x5A
            let offset = off_t(number * 4096 + 1234)
            try #require(unsafe pwrite(file.number, &byte, 1, offset) == 1)
        }
    }
}
