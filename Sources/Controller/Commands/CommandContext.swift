import Glibc
import History
import Inventory
import MigrationModel
import Orchestrator

/// What a command works with: its options, the environment, and where its output goes.
struct CommandContext: Sendable {
    let console: Console
    let isJSON: Bool
    private let inventoryOption: String?
    private let isVerbose: Bool
    private let environment: [String: String]

    init(_ options: GlobalOptions) {
        environment = Self.environmentVariables([
            "LIVEMIG_INVENTORY", "LIVEMIG_HISTORY", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "HOME",
        ])
        inventoryOption = options.inventory
        isVerbose = options.verbose
        isJSON = options.output == .json
        console = Console(allowsColor: !options.noColor)
    }

    /// The inventory's file, there or not.
    var inventory: InventoryFile { InventoryFile(path: found.path) }

    /// The history's file, there or not.
    /// - Throws: `E-HISTORY` where the environment names no place for it.
    func historyPath() throws(LivemigError) -> String {
        try HistoryPlace.find(environment: environment, isRoot: geteuid() == 0)
    }

    /// The hosts of the inventory; none where nobody named a file and none is there.
    func directory() throws(LivemigError) -> HostDirectory {
        let found = found
        let isNamed = inventoryOption != nil || !(environment["LIVEMIG_INVENTORY"] ?? "").isEmpty
        guard found.exists || isNamed else { return HostDirectory([]) }
        guard found.exists else {
            throw LivemigError(
                .file, "there is no inventory", at: found.path, fix: "livemig host add makes it")
        }
        return HostDirectory(try InventoryFile(path: found.path).load())
    }

    /// The hosts and the way to them.
    func control() throws(LivemigError) -> HostControl {
        HostControl(try directory(), dialer)
    }

    private var dialer: AgentDialer {
        let home = environment["HOME"] ?? "/"
        guard isVerbose else { return AgentDialer(home: home) }
        return AgentDialer(home: home) { [console] host, line in
            console.message("\(host): \(line)")
        }
    }

    private var found: InventorySearch.Found {
        InventorySearch.find(option: inventoryOption, environment: environment) { path in
            unsafe access(path, F_OK) == 0
        }
    }

    /// Lets a body say what is being done, on the live line, as long as it works.
    func noting<Value>(
        _ body: (@escaping @Sendable (String) -> Void) async throws(LivemigError) -> Value
    ) async throws(LivemigError) -> Value {
        let (console, isJSON) = (console, isJSON)
        defer { console.live(nil) }
        return try await body { text in
            if !isJSON { console.live(FittingLine(start: text)) }
        }
    }

    /// Prints an error: a line on standard error, and in JSON an event on standard output as well.
    func report(_ error: LivemigError) {
        console.message(
            ErrorText.line(error, style: console.errorStyle), isStyled: true)
        if isJSON { console.result(JSONText.line(ErrorEvent(error))) }
        if let guest = error.guest, !isJSON { console.result(guest.description) }
    }

    /// Prints a result in the form that was asked for.
    func show(text: @autoclosure () -> [String], json: @autoclosure () -> some Encodable) {
        if isJSON {
            console.result(JSONText.line(json()))
        } else {
            for line in text() { console.result(line) }
        }
    }

    private static func environmentVariables(_ names: [String]) -> [String: String] {
        var values: [String: String] = [:]
        for name in names {
            if let value = unsafe getenv(name) { values[name] = unsafe String(cString: value) }
        }
        return values
    }
}
