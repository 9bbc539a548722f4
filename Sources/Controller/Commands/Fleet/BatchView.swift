import History
import LinuxSystem
import MigrationModel
import Orchestrator
import Planner

/// Several moves at a time as they go: shown, and written to the history.
struct BatchView {
    /// A move as the history will have it.
    private struct Recording {
        var move: MoveRecording
        let began = MonotonicTime.now
    }

    private let moves: [MoveQueue.Move]
    private let command: MoveRecord.Command
    private let host: HostName
    private let context: CommandContext

    /// - Parameters:
    ///   - moves: the moves of the batch, in its order.
    ///   - command: what they are made for.
    ///   - host: the host that it is about.
    ///   - context: where everything goes.
    init(
        _ moves: [MoveQueue.Move], as command: MoveRecord.Command, of host: HostName,
        _ context: CommandContext
    ) {
        self.moves = moves
        self.command = command
        self.host = host
        self.context = context
    }

    /// Shows a batch while a body runs it; signals interrupt it.
    /// - Throws: when signals cannot be caught; the body has not run then.
    func follow<Value: Sendable>(
        _ batch: MoveBatch, _ body: () async -> Value
    ) async throws(LivemigError) -> Value {
        try Interrupts.catchSignals()
        let place = Result { () throws(LivemigError) in try context.historyPath() }
        let history = HistoryWriter(to: place)
        let viewer = Task { [self] in
            let title = "\(command.rawValue) \(host)"
            var overview = BatchOverview(moves, title: title, form: form, at: .now)
            var recordings: [Int: Recording] = [:]
            for await event in batch.events {
                note(event, in: &recordings, history)
                show(overview.take(event, at: .now))
                if form == .picture { context.console.live(overview.picture) }
            }
            context.console.live(nil)
        }
        let value = await Interrupts.reacting(by: { batch.interrupt() }, body)
        batch.close()
        await viewer.value
        let missing = await BlockingWork.value("history-end") { history.finish() }
        if let missing { context.console.message(HistoryText.warning(missing)) }
        return value
    }

    private func note(
        _ event: MoveBatch.Event, in recordings: inout [Int: Recording],
        _ history: HistoryWriter
    ) {
        switch event {
        case .began(let index, let request):
            let recording = MoveRecording(of: request, as: command)
            recordings[index] = Recording(move: recording)
            history.write(recording.record)
        case .move(let index, let event):
            guard var recording = recordings[index] else { return }
            let isDue = recording.move.note(event, at: recording.began.elapsed)
            if isDue { history.write(recording.move.record) }
            recordings[index] = recording
        case .ended(let index, let outcome), .refused(let index, let outcome),
            .putOff(let index, let outcome, _):
            guard var recording = recordings.removeValue(forKey: index) else { return }
            recording.move.end(outcome)
            history.write(recording.move.record)
        case .waiting, .notBegun, .storing, .warning, .note: break
        }
    }

    private var form: BatchOverview.Form {
        if context.isJSON { return .json }
        return context.console.isLive ? .picture : .lines
    }

    private func show(_ lines: [BatchOverview.Line]) {
        for line in lines {
            switch line {
            case .message(let text): context.console.message(text)
            case .failure(let error, let vm):
                context.console.message(
                    ErrorText.line(error, style: context.console.errorStyle), isStyled: true)
                if context.isJSON {
                    context.console.result(JSONText.line(ErrorEvent(error, vm: vm)))
                }
            case .json(let text): if context.isJSON { context.console.result(text) }
            }
        }
    }
}
