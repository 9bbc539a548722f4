import FrameTransport
import LinuxSystem
import MigrationModel
import WireProtocol

/// Requests about the host itself.
extension AgentServer {
    func describeHost(_ frame: Frame) throws(LivemigError) {
        try sink.send(HostFactsMessage(HostFactsProbe(environment: environment).facts()))
    }

    func examineHost(_ frame: Frame) throws(LivemigError) {
        try sink.send(Examination(try HostExamination(root: environment.root).items()))
    }

    func showPolicy(_ frame: Frame) throws(LivemigError) {
        let probe = HostSettingsProbe(root: environment.root)
        try sink.send(HostPolicyMessage(try probe.settings()))
    }

    func changePolicy(_ frame: Frame) throws(LivemigError) {
        let probe = HostSettingsProbe(root: environment.root)
        try sink.send(HostPolicyMessage(try probe.change(try frame.decode())))
    }

    func runDrainHook(_ frame: Frame) throws(LivemigError) {
        let request: RunDrainHook = try frame.decode()
        let hook: HostHook = request.stage == .before ? .preDrain : .postDrain
        try HookProgram.find(hook, in: environment.root)?.run(HookEvent(request))
        try sink.send(DoneMessage())
    }

    // MARK: Peers

    func createKey(_ frame: Frame) throws(LivemigError) {
        try sink.send(try PeerKeys(root: environment.root).message())
    }

    func authorizePeer(_ frame: Frame) throws(LivemigError) {
        let request: AuthorizePeer = try frame.decode()
        let change = try PeerKeys(root: environment.root).authorize(request)
        if request.isProvisional, let change { provisional.add(change.file, change.change) }
        try sink.send(DoneMessage())
    }

    func withdrawPeer(_ frame: Frame) throws(LivemigError) {
        let keys = PeerKeys(root: environment.root)
        try sink.send(PeersWithdrawn(try keys.withdraw(try frame.decode())))
    }

    func settlePeers(_ frame: Frame) throws(LivemigError) {
        try provisional.settle(keeping: try frame.decode(SettlePeers.self).isKept)
        try sink.send(DoneMessage())
    }

    func tryPeer(_ frame: Frame) throws(LivemigError) {
        let peer = try frame.decode(TryPeer.self).peer
        try sink.send(try PeerKnock(root: environment.root).knock(at: peer))
    }
}
