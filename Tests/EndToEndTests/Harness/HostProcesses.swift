import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

extension TestHost {
    /// The processes on this host's root whose command lines have a word.
    func processIDs(with word: String) -> [Int32] {
        ProcessListing.ids(containing: root, with: word)
    }

    /// The processes of the host's sshd that serve connections, without what they started.
    var sshdSessions: [Int32] {
        ssh.sessions.filter { ProcessFiles.text("/proc/\($0)/comm").hasPrefix("sshd") }
    }

    /// Kills processes on this host's root.
    func kill(with word: String) {
        let found = processIDs(with: word)
        #expect(!found.isEmpty, "no process with \(word) to kill")
        for id in found { Glibc.kill(id, SIGKILL) }
    }
}

extension TwoHosts {
    /// Insists that the guest runs on alpha, undisturbed, and that beta has nothing of it.
    func expectUntouched(
        within limit: Duration = .seconds(10), _ location: SourceLocation = #_sourceLocation
    ) throws {
        let summary = try summary(on: alpha)
        #expect(summary.state == .running, sourceLocation: location)
        #expect(summary.right.word == "OWN", sourceLocation: location)
        try expectSoon(within: limit, { beta.leftovers.isEmpty }, location)
        try expectSoon(within: limit, { beta.processes.isEmpty }, location)
        // The guardian and the guest, and no agent.
        try expectSoon(within: limit, { alpha.processes.count == 2 }, location)
    }
}
