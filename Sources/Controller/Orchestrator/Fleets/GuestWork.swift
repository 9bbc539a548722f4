import MigrationModel

extension HostControl {
    /// Does something with guests of a host, each in a conversation of its own.
    ///
    /// - Parameters:
    ///   - names: the guests.
    ///   - name: the host.
    ///   - limit: how many at a time, at least 1.
    ///   - batch: is told how far it is; once it is interrupted, no further guest is begun with,
    ///     and with a second interruption those under way are given up.
    ///   - work: what is done.
    ///   - unasked: hosts that need not be asked before a guest is started.
    /// - Returns: the errors of those with which it failed.
    func each(
        of names: [VMName], on name: HostName, atMost limit: Int, beside batch: MoveBatch,
        _ work: MoveBatch.GuestWork, unasked: Set<HostName> = []
    ) async -> [VMName: LivemigError] {
        await batch.givingUp {
            await run(names, on: name, atMost: limit, beside: batch, work, unasked)
        }
    }

    private func run(
        _ names: [VMName], on name: HostName, atMost limit: Int, beside batch: MoveBatch,
        _ work: MoveBatch.GuestWork, _ unasked: Set<HostName>
    ) async -> [VMName: LivemigError] {
        await withTaskGroup(of: (VMName, LivemigError?).self) { group in
            var rest = names[...]
            var errors: [VMName: LivemigError] = [:]
            for _ in 0..<max(1, limit) {
                guard let guest = rest.popFirst() else { break }
                group.addTask { (guest, await self.attempt(guest, on: name, batch, work, unasked)) }
            }
            while let (guest, error) = await group.next() {
                errors[guest] = error
                guard let next = rest.popFirst() else { continue }
                group.addTask { (next, await self.attempt(next, on: name, batch, work, unasked)) }
            }
            return errors
        }
    }

    private func attempt(
        _ guest: VMName, on name: HostName, _ batch: MoveBatch,
        _ work: MoveBatch.GuestWork, _ unasked: Set<HostName>
    ) async -> LivemigError? {
        guard !batch.isInterrupted else {
            return LivemigError(
                .cancelled, "not begun before the interruption", at: "VM \(guest)",
                fix: "run the command again")
        }
        do throws(LivemigError) {
            let progress: AgentConnection.StoringProgress = { done, total in
                batch.tell(.storing(guest, work, done: done, total: total))
            }
            if work == .starting {
                _ = try await start(
                    VMReference(host: name, name: guest), unasked: unasked, progress)
                return nil
            }
            try await talk(to: try directory.host(name)) { agent async throws(LivemigError) in
                switch work {
                case .saving: _ = try await agent.save(guest, progress)
                case .stopping: _ = try await agent.stop(guest)
                case .starting: break
                }
            }
            return nil
        } catch {
            guard batch.isGivenUp else { return error }
            return LivemigError(
                .cancelled, "given up on request", at: "VM \(guest)",
                fix: "livemig status \(guest) says what came of it")
        }
    }
}
