import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// A guest that is moved to and fro many times.
@Suite(.serialized) struct RepeatedMoveTests {
    /// How many moves: `LIVEMIG_MOVES`, else few enough for every run of the tests.
    private static var moves: Int {
        unsafe getenv("LIVEMIG_MOVES").flatMap { unsafe Int(String(cString: $0)) } ?? 5
    }

    // Breaks when a page is lost in any of many moves, or when a move leaves a process, a file, a
    // socket or guest memory behind, of which many moves would make a pile.
    @Test(.timeLimit(.minutes(10)), arguments: Emulator.all)
    func leavesNothingBehind(_ emulator: Emulator) throws {
        let sharedMemory = Set(TreeListing.names(in: "/dev/shm"))
        let hosts = try TwoHosts()
        try hosts.startLinux(
            "lm.fill=128 lm.ws=32 lm.rate=50 lm.content=mixed lm.beat=100",
            devices: emulator.element)
        var memories = try [hosts.alpha.guestMemory()]
        var blackouts: [Downtime] = []
        var last = try hosts.alpha.nextBeat()
        var (here, there) = (hosts.alpha, hosts.beta)
        for number in 1...Self.moves {
            let (report, _) = try hosts.move(from: here, to: there)
            #expect(report.sourceIsClean)
            #expect(report.epoch == Epoch(UInt64(number)))
            blackouts.append(report.downtime)
            #expect(here.leftovers == [])
            #expect(here.processes == [])
            (here, there) = (there, here)
            memories.append(try here.guestMemory())
            last = try here.expectProgress(since: last)
        }
        try hosts.stop(on: here)
        #expect(hosts.alpha.processes == [])
        #expect(hosts.beta.processes == [])
        #expect(Set(memories).count == Self.moves + 1)
        #expect(GuestMemoryHolders.processes(holding: Set(memories)) == [])
        #expect(Set(TreeListing.names(in: "/dev/shm")).subtracting(sharedMemory) == [])
        print("\(emulator.testDescription): \(Blackouts(blackouts)) in \(Self.moves) moves")
    }
}

/// The spread of the guest's stops, and what the longest was spent on.
private struct Blackouts: CustomStringConvertible {
    private let sorted: [Downtime]

    init(_ all: [Downtime]) { sorted = all.sorted { $0.total < $1.total } }

    var description: String {
        guard let least = sorted.first, let most = sorted.last else { return "no blackout" }
        let middle = sorted[sorted.count / 2]
        return """
            blackout min \(least.total.brief), median \(middle.total.brief), max \
            \(most.total.brief) = last pages \(most.finalPages.brief) + device state \
            \(most.deviceState.brief) + commit \(most.commit.brief) + resume \(most.resume.brief)
            """
    }
}

/// Who has guest memory open or mapped (proc(5), `/proc/PID/fd` and `/proc/PID/maps`).
enum GuestMemoryHolders {
    /// The name that guest memory has in `/proc` (memfd_create(2)).
    private static let name = "/memfd:livemig-guest-ram"

    /// The inode of the guest memory that a process holds; `nil` when it holds none.
    static func memory(of process: Int32) -> UInt64? {
        inodes(of: "\(process)").first
    }

    /// The processes that hold one of some memories.
    static func processes(holding memories: Set<UInt64>) -> [Int32] {
        TreeListing.names(in: "/proc").compactMap { Int32($0) }
            .filter { !inodes(of: "\($0)").isDisjoint(with: memories) }
    }

    /// The path by which guest memory that a process has open can be opened again (proc(5)).
    static func path(in process: Int32) -> String? {
        let folder = "/proc/\(process)/fd"
        return TreeListing.names(in: folder).map { "\(folder)/\($0)" }
            .first { target(of: $0).hasPrefix(name) }
    }

    private static func inodes(of process: String) -> Set<UInt64> {
        let folder = "/proc/\(process)/fd"
        var found: Set<UInt64> = []
        for number in TreeListing.names(in: folder) {
            var status = stat()
            guard target(of: "\(folder)/\(number)").hasPrefix(name),
                unsafe stat("\(folder)/\(number)", &status) == 0
            else { continue }
            found.insert(UInt64(status.st_ino))
        }
        return found.union(mappings(of: process))
    }

    private static func mappings(of process: String) -> [UInt64] {
        guard let file = try? OwnedDescriptor.open("/proc/\(process)/maps", O_RDONLY),
            let bytes = try? DescriptorIO.readFully(upTo: 1 << 20, from: file.number)
        else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
            guard line.contains(name) else { return nil }
            // address, permissions, offset, device, inode, path
            let words = line.split(separator: " ")
            return words.count > 4 ? UInt64(words[4]) : nil
        }
    }

    private static func target(of link: String) -> String {
        var bytes = [CChar](repeating: 0, count: 256)
        let count = unsafe readlink(link, &bytes, bytes.count)
        return String(
            decoding: bytes.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

extension TestHost {
    /// Which memory the guest has on this host, by its inode.
    func guestMemory() throws -> UInt64 {
        let holders = ProcessListing.ids(containing: root).compactMap(GuestMemoryHolders.memory)
        return try #require(holders.first, "no guest runs on \(name)")
    }
}

extension TwoHosts {
    /// Stops the guest by its host's agent.
    func stop(on host: TestHost) throws {
        let agent = try host.agent()
        _ = try agent.request(
            StopMachine(name: try VMName("guest")), for: MachineMessage.self)
        try agent.close()
    }
}
