import Glibc
import History
import Inventory
import LinuxSystem
import MigrationModel
import Orchestrator

/// What a command works with: its options, the environment, and where its output goes.
struct CommandContext: Sendable {
    let console: Console
    let isJSON: Bool
    private let inventoryOption: String?
    private let sshConfiguration: String?
    private let isVerbose: Bool
    private let environment: [String: String]
    /// What was said of logins already.
    private let said = Monitor<Set<String>>([])

    init(_ options: GlobalOptions) {
        environment = Self.environmentVariables([
            "LIVEMIG_INVENTORY", "LIVEMIG_HISTORY", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "HOME",
        ])
        sshConfiguration = options.sshConfiguration
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
        return HostDirectory(try resolver(hosts).resolved())
    }

    /// The hosts as the inventory has them; none where no file is there.
    func listedHosts() throws(LivemigError) -> [HostRecord] {
        found.exists ? try inventory.load() : []
    }

    /// What fills in the ways to hosts that the inventory leaves open.
    /// - Throws: `E-USAGE` for a file of `--ssh-config` that is not there.
    func resolver(_ hosts: [HostRecord]) throws(LivemigError) -> HostResolver {
        let person = SSHConfiguration.Person.current(home: environment["HOME"])
        let files = try person.configurationFiles(
            option: sshConfiguration ?? person.environment["LIVEMIG_SSH_CONFIG"])
        let configuration = SSHConfiguration(
            files: files, person: person, reader: SSHUserFiles.reader)
        return HostResolver(hosts, configuration, for: person)
    }

    /// The hosts and the way to them.
    func control() throws(LivemigError) -> HostControl {
        HostControl(try directory(), dialer)
    }

    /// The way to hosts.
    var dialer: AgentDialer {
        let (console, said) = (self.console, self.said)
        var onErrorLine: (@Sendable (HostName, String) -> Void)?
        if isVerbose {
            onErrorLine = { host, line in console.message("\(host): \(line)") }
        }
        // The SSH agent is the same for every host and lane: once is enough.
        let onNotice: @Sendable (HostName, String) -> Void = { _, text in
            let isNew = said.withLock { (texts: inout Set<String>) -> Bool in
                texts.insert(text).inserted
            }
            if isNew { console.message("livemig: \(text)") }
        }
        return AgentDialer(
            home: environment["HOME"] ?? "/", asksPassphrase: true, onErrorLine: onErrorLine,
            onNotice: onNotice,
            onWaiting: { host in console.message("waiting for \(host.name) (\(host.address))…") })
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
