import Hypervisor
import Journal
import LinuxSystem
import MigrationModel
import WireProtocol

/// The hooks of one move on one host.
///
/// `post-move` runs after every move for which `pre-move` was due, also one that it refused. Used by
/// one thread after the other.
final class MoveHooks: Sendable {
    private struct Move {
        let event: HookEvent
        let role: HookEvent.Role
        let attempt: Attempt
        let folder: MachineFolder
    }

    private let root: HostRoot
    private let due = Monitor<Move?>(nil)

    init(root: HostRoot) { self.root = root }

    /// Runs `pre-move`, if there is one.
    ///
    /// - Parameters:
    ///   - definition: the VM.
    ///   - attempt: the attempt.
    ///   - role: which side this host is on.
    ///   - peer: the other host.
    ///   - isWanted: whether the move is still wanted; the hook is killed when it is not.
    /// - Throws: `E-HOOK` when the hook refuses, is not fit to be run, or does not end;
    ///   `E-CANCELLED`.
    func before(
        _ definition: VMDefinition, _ attempt: Attempt, as role: HookEvent.Role, peer: String,
        while isWanted: () -> Bool
    ) throws(LivemigError) {
        let move = Move(
            event: HookEvent(definition, attempt, as: role, peer: peer), role: role,
            attempt: attempt, folder: root.machine(definition.name))
        due.withLock { $0 = move }
        try HookProgram.find(.preMove, in: root)?.run(move.event, while: isWanted)
    }

    /// Runs `post-move`, if it is due and there is one.
    /// - Parameter failure: how the move failed; `nil` for one that did not.
    /// - Returns: what went wrong with the hook, which changes nothing of the move.
    func after(_ failure: LivemigError?) -> Finding? {
        guard let move = due.withLock({ $0 }) else { return nil }
        let right = try? Journal.peek(move.folder.record)?.right
        let outcome = HookEvent.Outcome(
            of: move.attempt, as: move.role, right: right, failure)
        do throws(LivemigError) {
            try HookProgram.find(.postMove, in: root)?.run(move.event.ended(outcome, failure))
            return nil
        } catch {
            AgentLog(root: root).warn("\(error)", by: "hook")
            return Finding(.warning(.hook), error.what, at: error.place, fix: error.fix)
        }
    }
}

/// One move on one host, from its beginning to what comes after it.
struct HookedMove: Sendable {
    let hooks: MoveHooks
    let sink: FrameSink
    /// The threads of hooks that run after moves whose results are known.
    let afterwards: Monitor<[WorkerThread<Void>]>

    /// Makes a move, and tells the controller how it failed, if it did.
    ///
    /// The hook comes after that on a thread of its own: nobody waits for it who waits for the move.
    func run(_ body: () throws(LivemigError) -> Void) {
        var failure: LivemigError?
        do throws(LivemigError) {
            try body()
        } catch {
            sink.sendIfPossible(FailureMessage(error))
            failure = error
        }
        let (hooks, sink, reason) = (hooks, sink, failure)
        let thread = WorkerThread("post-move") {
            if let note = hooks.after(reason) { sink.sendIfPossible(NoteMessage(note)) }
        }
        afterwards.withLock { $0.append(thread) }
    }
}
