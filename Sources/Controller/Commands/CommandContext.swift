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
        console = Console(allowsColor: !options.noColor, printsJSON: isJSON)
    }

    /// The inventory's file, there or not.
    var inventory: InventoryFile { InventoryFile(path: found.path) }

    /// The history's file, there or not.
    /// - Throws: `E-HISTORY` where the environment names no place for it.
    func historyPath() throws(LivemigError) -> String {
        try HistoryPlace.find(environment: environment, isRoot: geteuid() == 0)
    }

    /// The hosts of the inventory.
    /// - Throws: `E-FILE` where there is none, `E-NOHOST` where it names no host, and as
    ///   `InventoryFile.load`: about no hosts nothing can be said.
    func directory() throws(LivemigError) -> HostDirectory {
        let found = found
        guard found.exists else {
            let isNamed =
                inventoryOption != nil || !(environment["LIVEMIG_INVENTORY"] ?? "").isEmpty
            let places = isNamed ? [found.path] : InventorySearch.defaults(environment)
            throw LivemigError(
                .file, "there is no inventory", at: places.joined(separator: " or "),
                fix: "livemig host add makes it")
        }
        let hosts = try InventoryFile(path: found.path).load()
        guard !hosts.isEmpty else {
            throw LivemigError(
                .noHost, "the inventory names no host", at: found.path,
                fix: "livemig host add adds one")
        }
        return HostDirectory(hosts)
    }

    /// The hosts and the way to them.
    func control() throws(LivemigError) -> HostControl {
        HostControl(try directory(), dialer)
    }

    private var dialer: AgentDialer {
        let home = environment["HOME"] ?? "/"
        let waiting = { @Sendable [console] (host: HostRecord) in
            console.message("waiting for \(host.name) (\(host.address))…")
        }
        guard isVerbose else { return AgentDialer(home: home, onWaiting: waiting) }
        return AgentDialer(
            home: home,
            onErrorLine: { [console] host, line in console.message("\(host): \(line)") },
            onWaiting: waiting)
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
    ///
    /// - Parameter vm: the VM that it is about, of several.
    func report(_ error: LivemigError, vm: VMName? = nil) {
        console.message(
            ErrorText.line(error, style: console.errorStyle), isStyled: true)
        if isJSON { console.result(JSONText.line(ErrorEvent(error, vm: vm?.text))) }
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
