import CrashPoints
import FrameTransport
import LinuxSystem
import MigrationModel
import WireProtocol

/// Requests about moves: what could be said against one, and the move itself.
extension AgentServer {
    /// How long a move that has said its last word may take to end.
    private static let lastMoment = Duration.seconds(1)

    func inspectOutgoing(_ frame: Frame) throws(LivemigError) {
        let inspection = OutgoingInspection(
            environment: environment, request: try frame.decode())
        try sink.send(try inspection.run())
    }

    func inspectIncoming(_ frame: Frame) throws(LivemigError) {
        let inspection = IncomingInspection(
            environment: environment, request: try frame.decode())
        try sink.send(try inspection.run())
    }

    func probePath(_ frame: Frame) throws(LivemigError) {
        let probe = PathProbe(root: environment.root, request: try frame.decode())
        try sink.send(Inspection(probe.findings()))
    }

    func measureGuest(_ frame: Frame) throws(LivemigError) {
        let measuring = GuestMeasuring(environment: environment, request: try frame.decode())
        try sink.send(GuestMeasured(try measuring.run()))
    }

    func cancel(_ frame: Frame) throws(LivemigError) {
        let reason = LivemigError(.cancelled, "cancelled by the operator")
        outgoing?.control.cancel(reason)
        storing?.control.cancel(reason)
    }

    /// Whether a move goes on; whoever has heard its last word may ask for the next one at once.
    private static func isUnderWay(_ move: WorkerThread<Void>?) -> Bool {
        guard let move else { return false }
        return move.result(by: .now + lastMoment) == nil
    }

    func startOutgoing(_ frame: Frame) throws(LivemigError) {
        let request: StartOutgoing = try frame.decode()
        if Self.isUnderWay(outgoing?.thread) {
            throw LivemigError(.busy, "this connection moves a VM already")
        }
        let control = MoveControl()
        let hooks = MoveHooks(root: environment.root)
        let role = SourceRole(
            environment: environment, request: request, events: sink, control: control,
            hooks: hooks)
        let move = HookedMove(hooks: hooks, sink: sink, afterwards: afterwards)
        let thread = WorkerThread("move") {
            move.run { () throws(LivemigError) in
                move.sink.sendIfPossible(Moved(try role.run()))
                CrashPoint.reach(.sourceReported)
            }
        }
        outgoing = (control, thread)
    }

    func prepareIncoming(_ frame: Frame) throws(LivemigError) {
        let request: PrepareIncoming = try frame.decode()
        if Self.isUnderWay(incoming?.thread) {
            throw LivemigError(.busy, "this connection receives a VM already")
        }
        let control = try IncomingControl()
        let hooks = MoveHooks(root: environment.root)
        let role = DestinationRole(
            environment: environment, request: request, events: sink, control: control,
            hooks: hooks)
        let move = HookedMove(hooks: hooks, sink: sink, afterwards: afterwards)
        let thread = WorkerThread("receive") {
            move.run { () throws(LivemigError) in
                try role.run()
                CrashPoint.reach(.destinationDone)
                move.sink.sendIfPossible(DoneMessage())
            }
        }
        incoming = (control, thread)
    }
}
