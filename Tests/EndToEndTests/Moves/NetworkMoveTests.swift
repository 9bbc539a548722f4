import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Guests with network interfaces, moved between hosts.
@Suite(.serialized) struct NetworkMoveTests {
    // Breaks when packets for the guest do not find it after a move, or when the guest's side of a
    // connection is not the one it was: the connection is never opened again. Needs root.
    @Test(.timeLimit(.minutes(2)), arguments: Emulator.all)
    func connectionSurvivesMovesThereAndBack(_ emulator: Emulator) throws {
        let network = try GuestNetwork()
        let hosts = try TwoHosts(
            alpha: TestHost("alpha", in: network.alpha, address: GuestNetwork.alphaAddress),
            beta: TestHost("beta", in: network.beta, address: GuestNetwork.betaAddress))
        try hosts.startLinux(
            "lm.fill=32 lm.ws=8 lm.rate=20 lm.beat=100 lm.net=\(GuestNetwork.guestAddress)/24",
            devices: GuestNetwork.element + emulator.element)
        let client = try HeartbeatClient(
            to: GuestNetwork.guestAddress, in: network.switching)
        #expect(try network.portOfGuest() == "alpha")
        var last = try hosts.alpha.nextBeat()
        for (here, there) in [(hosts.alpha, hosts.beta), (hosts.beta, hosts.alpha)] {
            let listener = try AnnouncementListener(in: network.switching)
            _ = client.takeLongestSilence()
            let (report, _) = try hosts.move(from: here, to: there)
            #expect(try listener.hears(GuestNetwork.guestMAC, within: .seconds(2)))
            #expect(try network.portOfGuest() == there.name.text)
            last = try there.expectProgress(since: last)
            let silence = client.takeLongestSilence()
            print("blackout \(report.downtime.total.brief), silence \(silence.brief)")
            #expect(silence < .seconds(3))
            #expect(here.leftovers == [])
        }
        let answers = try client.stop()
        #expect(answers > 100)
    }

    // Breaks when a guest with user networking cannot be moved: its connections end with the
    // process that carried them, the guest must not.
    @Test(.timeLimit(.minutes(1)), arguments: Emulator.all)
    func guestWithUserInterfaceMoves(_ emulator: Emulator) throws {
        let hosts = try TwoHosts()
        try hosts.startLinux(
            "lm.fill=32 lm.ws=8 lm.rate=20 lm.beat=100 lm.net=10.0.2.15/24",
            devices: #"<interface type="user"><model type="virtio"/></interface>"#
                + emulator.element)
        let before = try hosts.alpha.nextBeat()
        _ = try hosts.move(from: hosts.alpha, to: hosts.beta)
        let between = try hosts.beta.expectProgress(since: before)
        _ = try hosts.move(from: hosts.beta, to: hosts.alpha)
        try hosts.alpha.expectProgress(since: between)
    }

    // Breaks when a destination without the guest's bridge takes the guest in. Needs root.
    @Test(.timeLimit(.minutes(1))) func missingBridgeIsRefused() throws {
        let network = try GuestNetwork()
        let hosts = try TwoHosts(
            alpha: TestHost("alpha", in: network.alpha, address: GuestNetwork.alphaAddress),
            beta: TestHost("beta", in: network.beta, address: GuestNetwork.betaAddress))
        try hosts.start(document: IdleGuest.definition(GuestNetwork.element))
        try network.beta.ip(["link", "set", GuestNetwork.bridge, "name", "other"])
        let error = #expect(throws: LivemigError.self) {
            try hosts.begin(from: hosts.alpha, to: hosts.beta)
        }
        #expect(error?.code == .network, "\(error as Any)")
        #expect(error?.what.contains(GuestNetwork.bridge) == true)
        #expect(hosts.beta.leftovers == [])
        #expect(try hosts.summary(on: hosts.alpha).state == .running)
    }
}
