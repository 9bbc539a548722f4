import LinuxSystem
import MigrationModel
import SSHTransport

/// Lanes between two hosts that cannot reach each other, each carried by two SSH connections of the
/// controller.
struct RelayLanes: Sendable {
    private let pumps: [SSHPump]

    /// Starts connecting every lane, 0 for the link and 1 to `lanes` for data.
    ///
    /// - Parameters:
    ///   - lanes: the number of data lanes.
    ///   - source: where the lanes attach to a move that has started.
    ///   - destination: where they arrive.
    ///   - migration: the move.
    ///   - dialer: how the hosts are reached.
    /// - Throws: `E-RESOURCE` when the process has too many descriptors.
    init(
        _ lanes: Int, from source: HostRecord, to destination: HostRecord,
        migration: MigrationID, dialer: AgentDialer
    ) throws(LivemigError) {
        let arriving = try destination.laneCommand()
        let attaching = try source.laneCommand(["--attach", migration.description])
        var pumps: [SSHPump] = []
        let activity = Activity()
        for lane in 0...lanes {
            let silence = SharedSilence(activity, contributes: lane > 0)
            var (here, there) = (try dialer.endpoint(source), try dialer.endpoint(destination))
            (here.silence, there.silence) = (silence, silence)
            let ends = try UnixSocket.pair(.stream).release()
            // Both numbers are owned from here on, so that an error closes the second as well.
            let first = OwnedDescriptor(owning: ends.first)
            let second = OwnedDescriptor(owning: ends.second)
            pumps.append(
                try SSHPump(
                    to: there, running: arriving, pumping: first,
                    profile: .bulkToServer, retries: 2, onErrorLine: dialer.logger(destination)))
            pumps.append(
                try SSHPump(
                    to: here, running: attaching, pumping: second,
                    retries: 2, onErrorLine: dialer.logger(source)))
        }
        self.pumps = pumps
    }

    /// Waits for the end of every connection.
    /// - Parameter onFailure: called for each that ends with an error or an exit status other than
    ///   0.
    func watch(onFailure: @escaping @Sendable (LivemigError) -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            for pump in pumps {
                group.addTask {
                    do throws(LivemigError) {
                        let exit = try await BlockingWork.run("relay-join") {
                            () throws(LivemigError) in try pump.join()
                        }
                        if exit.status != 0 { onFailure(Self.failure(exit)) }
                    } catch {
                        onFailure(error)
                    }
                }
            }
        }
    }

    /// Ends every connection.
    func stop() { for pump in pumps { pump.stop() } }

    private static func failure(_ exit: SSHExit) -> LivemigError {
        if let stated = AgentFailure.stated(in: exit.lastError) { return stated }
        let status = exit.status.map { "status \($0)" } ?? "no status"
        let last = exit.lastError.isEmpty ? "" : ": \(exit.lastError)"
        return LivemigError(.disconnected, "a relayed lane ended with \(status)\(last)")
    }
}
