import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

extension TestHost {
    /// Runs `livemig-agent recover` on this host.
    func recover(_ names: String...) throws -> (status: Int32, output: String) {
        try Tool.outcome(
            try BuildProducts.program("livemig-agent"), ["recover", "--root", root] + names)
    }

    /// The guardians of this host's VMs.
    var guardians: [Int32] { processIDs(with: " guard ") }

    /// Kills the one guardian of this host, and waits until it is gone.
    func killGuardian(_ location: SourceLocation = #_sourceLocation) throws {
        let found = guardians
        #expect(found.count == 1, sourceLocation: location)
        for id in found { Glibc.kill(id, SIGKILL) }
        try expectSoon(within: .seconds(5), { guardians.isEmpty }, location)
    }

    /// Whether the worker that receives a guest waits for an answer of its guardian: for a packet,
    /// by proc(5)'s `wchan`.
    var isWaitingForGuardian: Bool {
        processIDs(with: " serve ").contains { id in
            TreeListing.names(in: "/proc/\(id)/task").contains { thread in
                let folder = "/proc/\(id)/task/\(thread)"
                return ProcessFiles.text(folder + "/comm").hasPrefix("receive")
                    && ProcessFiles.text(folder + "/wchan") == "__skb_wait_for_more_packets"
            }
        }
    }

    /// Sends a signal to the processes on this host's root whose command lines have a word.
    func signal(_ number: CInt, to word: String) {
        for id in processIDs(with: word) { Glibc.kill(id, number) }
    }
}

extension TwoHosts {
    /// Kills a source's guardian and worker as one: a worker that is left would call for a new
    /// guardian itself, and a guardian that is left would give the guest back.
    func killSource() throws {
        alpha.signal(SIGSTOP, to: " serve ")
        try alpha.killGuardian()
        alpha.signal(SIGKILL, to: " serve ")
    }

    /// What must hold once a guest whose guardian died has a new one.
    func expectRecovered(_ location: SourceLocation = #_sourceLocation) throws {
        let start = MonotonicTime.now
        let (status, output) = try alpha.recover()
        let time = start.elapsed
        print("recover took \(time.brief): \(output)")
        #expect(status == 0, "\(output)", sourceLocation: location)
        #expect(output.hasPrefix("guest: taken over"), "\(output)", sourceLocation: location)
        let summary = try summary(on: alpha)
        #expect(summary.state == .running, sourceLocation: location)
        #expect(summary.right.word == "OWN", sourceLocation: location)
        #expect(time < .seconds(2), sourceLocation: location)
        #expect(alpha.guardians.count == 1, sourceLocation: location)
    }

    /// Waits until the destination of a failed move has nothing of it; a copy that was whole when
    /// its source went away waits to be discarded.
    func expectDiscarded(
        _ attempt: Attempt, _ location: SourceLocation = #_sourceLocation
    ) throws {
        let name = try VMName("guest")
        try expectSoon(
            within: .seconds(15),
            {
                let record = try beta.agent().request(
                    ShowRecord(name: name), for: RecordMessage.self)
                if case .ready(attempt, _) = record.record?.right {
                    let step = RecoverMachine(
                        name: name, uuid: TwoHosts.guest, step: .discard(attempt))
                    _ = try beta.agent().request(step, for: DoneMessage.self)
                }
                return record.record?.right == .aborted(attempt)
            }, location)
        try expectSoon(within: .seconds(10), { beta.leftovers.isEmpty }, location)
    }
}
