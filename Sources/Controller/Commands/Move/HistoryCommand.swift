import ArgumentParser
import History
import MigrationModel
import Orchestrator

/// `livemig history`.
struct HistoryCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Show the moves that were made from here.",
        usage: "livemig history [<id>] [<options>]",
        discussion: """
            Without an id the latest moves are listed, the latest first. With one, or its
            first digits, all that is known of that move is shown, with its rounds.

            Example:
              livemig history --vm web1 --since 7d
              livemig history --failed
              livemig history 1f3c
            """)

    @Argument(help: ArgumentHelp("A move, by at least four digits of its id.", valueName: "id"))
    var id: String?

    @Option(help: ArgumentHelp("Moves of this VM only.", valueName: "name"))
    var vm: String?

    @Option(help: ArgumentHelp("Moves from or to this host only.", valueName: "host"))
    var host: String?

    @Option(
        help: ArgumentHelp(
            "Moves that began then or later: 2h, 7d, 2026-01-31, 2026-01-31T12:00:00Z.",
            valueName: "time"))
    var since: String?

    @Option(
        help: ArgumentHelp("At most so many. (default: 20, or all since a time)", valueName: "n"))
    var limit: Int?

    @Flag(help: "Moves that did not end with exit code 0 only.")
    var failed = false

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    /// How many moves are listed where nobody says how many.
    static let defaultLimit = 20

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let query = try query()
        let path = try context.historyPath()
        if let id {
            guard !hasFilters else {
                throw LivemigError(
                    .usage, "an id and options that choose moves do not go together",
                    fix: "leave one of them out")
            }
            let prefix = try HistoryDatabase.digits(id)
            let record = try await BlockingWork.run("history") {
                () throws(LivemigError) -> MoveRecord in
                guard let history = try HistoryDatabase.existing(path: path) else {
                    throw HistoryDatabase.missing(prefix, path)
                }
                return try history.move(prefix)
            }
            context.show(text: HistoryText.show(record), json: MoveDocument(record))
            return .success
        }
        let records = try await BlockingWork.run("history") {
            () throws(LivemigError) -> [MoveRecord] in
            try HistoryDatabase.existing(path: path)?.moves(query) ?? []
        }
        context.show(text: HistoryText.list(records), json: HistoryDocument(records))
        return .success
    }

    private var hasFilters: Bool {
        vm != nil || host != nil || since != nil || limit != nil || failed
    }

    private func query() throws(LivemigError) -> HistoryQuery {
        var query = HistoryQuery()
        if let vm { query.vm = try VMName(vm).text }
        if let host { query.host = try HostName(host).text }
        if let since {
            do throws(LivemigError) {
                query.since = try WallTime(parsing: since)
            } catch {
                throw error.at("--since")
            }
        } else {
            query.limit = Self.defaultLimit
        }
        if let limit {
            guard (1...HistoryDatabase.moveLimit).contains(limit) else {
                throw LivemigError(
                    .range, "\(limit) moves cannot be listed", at: "--limit",
                    fix: "give 1 to \(HistoryDatabase.moveLimit)")
            }
            query.limit = limit
        }
        query.failedOnly = failed
        return query
    }
}
