import MigrationModel

extension MoveRow {
    /// What the row, with the rows that belong to it, says.
    ///
    /// - Parameter isAlive: whether a controller still runs.
    /// - Throws: `E-HISTORY` for what livemig does not write.
    func record(
        rounds: [RoundRow], phases: [PhaseRow], errors: [ErrorRow],
        isAlive: (ControllerProcess) -> Bool
    ) throws(LivemigError) -> MoveRecord {
        guard let key = Bits128(hexadecimal: key),
            let command = MoveRecord.Command(rawValue: command)
        else { throw damaged("key or command") }
        var record = MoveRecord(
            key: key, command: command, mode: mode, vm: vm, source: source,
            destination: destination, started: WallTime(milliseconds: startedMs), policy: policy,
            state: try state(errors, isAlive))
        record.migration = migration.flatMap(Bits128.init(hexadecimal:)).map(MigrationID.init)
        record.uuid = uuid.flatMap { VMUUID($0) }
        record.prediction = prediction
        record.rounds = rounds.map(\.report)
        record.phases = phases.map { .init(name: $0.name, after: .nanoseconds($0.afterNs)) }
        return record
    }

    private func state(
        _ errors: [ErrorRow], _ isAlive: (ControllerProcess) -> Bool
    ) throws(LivemigError) -> MoveRecord.State {
        guard let outcome else {
            let process = ControllerProcess(
                id: Int32(clamping: controllerPid ?? 0), startTicks: controllerStart ?? 0,
                boot: controllerBoot ?? "")
            return isAlive(process) ? .running(process) : .interrupted(process)
        }
        guard let outcome = MoveRecord.Outcome(rawValue: outcome), let exitCode, let totalNs else {
            throw damaged("outcome")
        }
        var ending = MoveRecord.Ending(
            total: .nanoseconds(totalNs), outcome: outcome, exitCode: Int32(clamping: exitCode))
        ending.guest = guest
        ending.measured = try measured()
        for row in errors {
            switch row.side {
            case .move: ending.error = row.failure
            case .source: ending.sourceError = row.failure
            case .destination: ending.destinationError = row.failure
            }
        }
        return .ended(ending)
    }

    private var guest: GuestLocation? {
        guard let vmState, let state = GuestLocation.State(rawValue: vmState) else { return nil }
        return GuestLocation(
            vm: vm, state: state, host: vmHost ?? "",
            epoch: Epoch(UInt64(clamping: vmEpoch ?? 0)))
    }

    private func measured() throws(LivemigError) -> MoveRecord.Measurements? {
        guard let rounds else { return nil }
        var downtime = Downtime()
        downtime.finalPages = .nanoseconds(finalPagesNs ?? 0)
        downtime.deviceState = .nanoseconds(deviceStateNs ?? 0)
        downtime.commit = .nanoseconds(commitNs ?? 0)
        downtime.resume = .nanoseconds(resumeNs ?? 0)
        var pages = PageCounts()
        pages.sent = UInt64(clamping: pagesSent ?? 0)
        pages.zero = UInt64(clamping: pagesZero ?? 0)
        pages.unchanged = UInt64(clamping: pagesUnchanged ?? 0)
        let differing = DifferingPages(
            count: UInt64(clamping: differingPages ?? 0), first: differingFirst ?? [])
        guard let differing else { throw damaged("differing pages") }
        return .init(
            rounds: Int(clamping: rounds), transfer: .nanoseconds(transferNs ?? 0),
            downtime: downtime, guestBytes: UInt64(clamping: guestBytes ?? 0),
            wireBytes: UInt64(clamping: wireBytes ?? 0), pages: pages, verified: verified,
            differing: differing)
    }

    private func damaged(_ what: String) -> LivemigError {
        LivemigError(.history, "the \(what) of an entry cannot be read", at: "move \(key)")
    }
}

extension RoundRow {
    /// The round.
    var report: RoundReport {
        var counts = PageCounts()
        counts.sent = UInt64(clamping: sent)
        counts.zero = UInt64(clamping: zero)
        counts.unchanged = UInt64(clamping: unchanged)
        return RoundReport(
            number: Int(clamping: number), dirtyPages: UInt64(clamping: pages), pages: counts,
            wireBytes: UInt64(clamping: wireBytes), duration: .nanoseconds(durationNs),
            dirtiedPages: UInt64(clamping: dirtiedPages))
    }
}
