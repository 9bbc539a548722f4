import ArgumentParser

/// The options that every command has.
struct GlobalOptions: ParsableArguments {
    /// The forms of output.
    enum Output: String, ExpressibleByArgument, CaseIterable, Sendable {
        case text, json
    }

    @Option(
        help: ArgumentHelp(
            "The inventory. Else $LIVEMIG_INVENTORY, ~/.config/livemig/hosts.xml, /etc/livemig/hosts.xml.",
            valueName: "file"))
    var inventory: String?

    @Option(
        name: .customLong("ssh-config"),
        help: ArgumentHelp(
            "Settings of SSH, or none. Else $LIVEMIG_SSH_CONFIG, ~/.ssh/config, /etc/ssh/ssh_config.",
            valueName: "file"))
    var sshConfiguration: String?

    @Option(help: ArgumentHelp("How results are printed.", valueName: "form"))
    var output: Output = .text

    @Flag(name: .customLong("no-color"), help: "Print without colours, as NO_COLOR does.")
    var noColor = false

    @Flag(name: .shortAndLong, help: "Show what the agents write to their logs.")
    var verbose = false
}
