import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Guardians on a host that systemd runs, by a real one.
@Suite(.serialized) struct ServiceManagerTests {
    // Breaks when a guardian is not in a unit of its own, when systemd does not start it again, when
    // the guest stops, is started anew or cannot be moved afterwards, or when a unit stays behind.
    @Test(.timeLimit(.minutes(2))) func killedGuardiansAreStartedAgain() throws {
        let folder = try ScratchFolder()
        let systemd = try SystemdHost(folder)
        let hosts = try TwoHosts(
            alpha: TestHost("alpha", in: systemd), beta: TestHost("beta"))
        try hosts.start("fill=16MiB ws=4MiB rate=1MiB/s")
        let guest = hosts.alpha.processIDs(with: "livemig-synthetic-guest")
        #expect(try units(of: systemd).count == 1)

        for _ in 0..<3 {
            let beat = try hosts.alpha.nextBeat()
            let guardian = hosts.alpha.guardians
            #expect(guardian.count == 1)
            hosts.alpha.signal(SIGKILL, to: " guard ")
            let killed = MonotonicTime.now
            try expectSoon(
                within: .seconds(5),
                {
                    let state = try? hosts.summary(on: hosts.alpha).state
                    return state == .running && hosts.alpha.guardians != guardian
                })
            print("guarded again after \(killed.elapsed.brief)")
            #expect(hosts.alpha.guardians.count == 1)
            _ = try hosts.alpha.expectProgress(since: beat)
        }
        #expect(hosts.alpha.processIDs(with: "livemig-synthetic-guest") == guest)

        // There and back: a guest is received by a unit, too.
        for (source, destination) in [(hosts.alpha, hosts.beta), (hosts.beta, hosts.alpha)] {
            _ = try hosts.move(from: source, to: destination)
            try expectSoon(within: .seconds(5), { source.leftovers == [] })
            #expect(try destination.differingPages() == "0")
            let expected = destination === hosts.alpha ? 1 : 0
            try expectSoon(within: .seconds(5), { try units(of: systemd).count == expected })
        }
    }

    // Breaks when a guardian that gives up at its start is started again for ever, or when its
    // starter is not told why.
    @Test(.timeLimit(.minutes(2))) func aStartThatFailsIsReportedOnce() throws {
        let folder = try ScratchFolder()
        let systemd = try SystemdHost(folder)
        let hosts = try TwoHosts(
            alpha: TestHost("alpha", in: systemd), beta: TestHost("beta"), trusting: false)
        let refused = #expect(throws: LivemigError.self) {
            try hosts.start("fill=512MiB", memory: 16)
        }
        #expect(refused?.code == .range, "\(refused as Any)")
        try expectSoon(within: .seconds(5), { try units(of: systemd).isEmpty })
        #expect(hosts.alpha.processes == [])
    }

    /// The units of guardians that systemd has.
    private func units(of systemd: SystemdHost) throws -> [Substring] {
        try systemd.systemctl(
            "list-units", "--all", "--plain", "--no-legend", "livemig-guest-*"
        ).split(separator: "\n")
    }
}
