import FrameTransport
import Glibc
import LinuxSystem
public import MigrationModel
import WireProtocol

/// `livemig-agent serve`: answers one controller at standard input and output, request by request.
///
/// A move runs on a thread of its own while this thread listens for a cancellation; the end of the
/// input cancels a move that is not yet committed.
public final class AgentServer {
    let environment: AgentEnvironment
    let sink: FrameSink
    private var channel: FrameChannel<DescriptorChannel>
    var outgoing: (control: MoveControl, thread: WorkerThread<Void>)?
    var incoming: (control: IncomingControl, thread: WorkerThread<Void>)?
    var storing: (control: MoveControl, thread: WorkerThread<Void>)?
    var console: ConsoleRelay?
    var provisional = ProvisionalTrust()
    /// Hooks that run after a move whose result is known.
    let afterwards = Monitor<[WorkerThread<Void>]>([])

    /// Greets the controller at standard input and output.
    public init(_ environment: AgentEnvironment) throws(LivemigError) {
        self.environment = environment
        let connection = LaneConnection(
            input: try DescriptorNumber.duplicate(STDIN_FILENO),
            output: try DescriptorNumber.duplicate(STDOUT_FILENO))
        var writing = FrameChannel(
            try connection.channel(at: "controller"), at: "controller")
        try writing.sendBanner(.agent)
        sink = FrameSink(writing)
        channel = FrameChannel(try connection.channel(at: "controller"), at: "controller")
    }

    /// Serves until the controller ends the connection.
    public func run() throws(LivemigError) {
        defer { finish() }
        _ = try channel.receiveBanner()
        while let frame = try channel.receive() {
            do throws(LivemigError) {
                try answer(frame)
            } catch {
                try sink.send(FailureMessage(error))
            }
        }
    }

    private func finish() {
        try? provisional.undo()
        console?.end()
        outgoing?.control.cancel(
            LivemigError(.cancelled, "the controller has gone"))
        incoming?.control.giveUp()
        storing?.control.cancel(LivemigError(.cancelled, "the controller has gone"))
        _ = try? storing?.thread.join()
        _ = try? outgoing?.thread.join()
        _ = try? incoming?.thread.join()
        for thread in afterwards.withLock({ $0 }) { _ = try? thread.join() }
    }

    private func answer(_ frame: Frame) throws(LivemigError) {
        guard let handler = handler(of: frame.type) else {
            throw LivemigError(.wire, "\(WireError.type(frame.type.rawValue))")
        }
        try handler(frame)
    }

    /// What answers a request: each reads the message, has it done, and sends what came of it.
    private func handler(of type: FrameType) -> ((Frame) throws(LivemigError) -> Void)? {
        switch type {
        case .describeHost: describeHost
        case .examineHost: examineHost
        case .showPolicy: showPolicy
        case .changePolicy: changePolicy
        case .runDrainHook: runDrainHook
        case .createKey: createKey
        case .authorizePeer: authorizePeer
        case .withdrawPeer: withdrawPeer
        case .settlePeers: settlePeers
        case .tryPeer: tryPeer
        case .listMachines: listMachines
        case .showMachine: showMachine
        case .findClaims: findClaims
        case .defineMachine: defineMachine
        case .changeGuestPolicy: changeGuestPolicy
        case .startMachine: startMachine
        case .stopMachine: stopMachine
        case .removeMachine: removeMachine
        case .saveMachine: saveMachine
        case .discardSaved: discardSaved
        case .attachConsole: attachConsole
        case .consoleInput: typeOnConsole
        case .showRecord: showRecord
        case .recoverMachine: recoverMachine
        case .cancelMachine: cancelMachine
        case .inspectOutgoing: inspectOutgoing
        case .inspectIncoming: inspectIncoming
        case .probePath: probePath
        case .measureGuest: measureGuest
        case .prepareIncoming: prepareIncoming
        case .startOutgoing: startOutgoing
        case .cancel: cancel
        default: nil
        }
    }
}
