import CLinux
import Glibc
import Guardian
import Handoff
import Hypervisor
import Journal
import LinuxSystem
import MigrationModel

/// Finds the guardian of a VM, and gives a guest whose guardian has died a new one.
struct GuardianSearch: Sendable {
    let environment: AgentEnvironment

    /// How long another process that takes the same guest over may take to answer.
    private static let winnerLimit: Duration = .seconds(5)

    /// The VM's guardian, a new one if its own has died.
    ///
    /// - Parameters:
    ///   - name: the VM.
    ///   - keepStill: leaves a guest as it is found; else one that this host owns runs again.
    /// - Returns: `nil` when no hypervisor runs for the VM, or none that is worth keeping did.
    /// - Throws: why the guest cannot be taken over; it goes on as it is then.
    func guardian(
        of name: VMName, keepStill: Bool = false
    ) throws(LivemigError) -> GuardianClient? {
        let folder = environment.root.machine(name)
        do throws(LivemigError) {
            return try GuardianClient(connecting: folder.guardianSocket)
        } catch  where error.code == .version {
            try retire(folder, error)
        } catch {
            // There is none.
        }
        guard OrphanedHypervisor(of: folder) != nil else { return nil }
        let guardian = try GuardianStarter(environment: environment).start(
            name, ["--adopt"] + (keepStill ? ["--keep-still"] : []))
        do throws(LivemigError) {
            let state = try guardian.receive().decode(GuardianState.self)
            guard state.record.right.isLeftover else { return guardian }
        } catch  where error.code == .busy {
            return try waitForWinner(folder, error)
        } catch {
            try Self.waitForEnd(of: guardian, at: folder.path)
            // It has ended meanwhile, and the record is in order.
            guard OrphanedHypervisor(of: folder) == nil else { throw error }
            return nil
        }
        try Self.waitForEnd(of: guardian, at: folder.path)
        return nil
    }

    /// Ends a guardian of another build, whose guest goes on without it until the next one takes it
    /// over, as after a crash.
    ///
    /// Only while nothing is under way: a move is its guardian's to end.
    /// - Throws: `refusal` for a guardian that has to be left alone.
    private func retire(
        _ folder: MachineFolder, _ refusal: LivemigError
    ) throws(LivemigError) {
        guard case .owner = try Journal.peek(folder.record)?.right,
            OrphanedHypervisor(of: folder) != nil
        else {
            throw LivemigError(
                refusal.code, refusal.what + ", and a move is under way", at: refusal.place,
                fix: "wait for the end of the move, or finish it with that build")
        }
        let socket = try UnixSocket.connect(folder.guardianSocket, .packets, as: .notRunning)
        let process = clinux_peer_process(socket.number)
        let number = process > 0 ? clinux_pidfd_open(process) : -1
        guard number >= 0 else { throw refusal }
        let handle = OwnedDescriptor(owning: number)
        // The socket is the process's as long as it is open here; its number was not used again.
        guard Self.isGuardian(process, of: folder) else { throw refusal }
        _ = clinux_pidfd_signal(handle.number, SIGKILL)
        let ended = try Poll.wait([.init(handle.number)], timeout: HandoffLimits.guardianEnd)
        guard !ended.isEmpty else {
            throw LivemigError(.cleanup, "process \(process) does not end", at: folder.path)
        }
    }

    /// Whether a process was started as the guardian of a VM.
    private static func isGuardian(_ process: Int32, of folder: MachineFolder) -> Bool {
        let words = SmallFile.read("/proc/\(process)/cmdline").split(separator: "\0")
        let vm = folder.path.split(separator: "/").last ?? ""
        return words.contains("guard") && words.contains(vm)
    }

    /// Waits until a guardian has ended by itself.
    static func waitForEnd(
        of guardian: borrowing GuardianClient, at place: String
    ) throws(LivemigError) {
        let ended = try Poll.wait([.init(guardian.descriptor)], timeout: HandoffLimits.guardianEnd)
        guard !ended.isEmpty else {
            throw LivemigError(.cleanup, "the guardian does not end", at: place)
        }
    }

    /// Another process holds the record: the guardian that won, which listens a moment later.
    private func waitForWinner(
        _ folder: MachineFolder, _ error: LivemigError
    ) throws(LivemigError) -> GuardianClient? {
        let deadline = MonotonicTime.now + Self.winnerLimit
        while true {
            if let guardian = try? GuardianClient(connecting: folder.guardianSocket) {
                return guardian
            }
            if OrphanedHypervisor(of: folder) == nil { return nil }
            guard MonotonicTime.now < deadline else { throw error }
            _ = usleep(10_000)
        }
    }
}
