import ArgumentParser
import Guardian
import HostAgent
import LinuxSystem
import MigrationModel

/// The folder that holds everything of one host.
struct RootOption: ParsableArguments {
    @Option(help: ArgumentHelp("The folder of this host's VMs and records.", valueName: "dir"))
    var root = "/var/lib/livemig"
}

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer a controller at standard input and output.")

    @OptionGroup var location: RootOption

    @Option(help: ArgumentHelp("Who has logged in, where that is not root.", valueName: "user"))
    var login: String?

    func run() throws {
        try AgentProgram.run { () throws(LivemigError) in
            let environment = try AgentEnvironment(
                root: try HostRoot(location.root, login: login.map(LoginUser.init)))
            try AgentServer(environment).run()
        }
    }
}

struct Lane: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Carry one connection of a move (the forced command of a peer's key).")

    @OptionGroup var location: RootOption

    @Option(help: ArgumentHelp("A name of the peer that the key belongs to.", valueName: "name"))
    var peer: [String] = []

    @Option(help: ArgumentHelp("The fingerprint of the key.", valueName: "SHA256:…"))
    var key: String?

    @Option(help: ArgumentHelp("Become root by this program first: sudo.", valueName: "program"))
    var become: String?

    @OptionGroup var told: ToldArrival

    @Option(help: ArgumentHelp("Join the source side of a relayed move.", valueName: "migration"))
    var attach: String?

    func run() throws {
        if become != nil { try Sudo.runAgain(becoming) }
        let arrival = told.arrival ?? .ofThisProcess
        try AgentProgram.run { () throws(LivemigError) in
            let root = try HostRoot(location.root)
            let door = LaneDoor(root: root, arrival: arrival.server, peer: owner(arrival))
            if let name = peer.first {
                let gate = LaneGate(root: root, peer: name)
                if try gate.admit(arrival.request) == .knock { return try door.answerKnock() }
            }
            guard let migration = try migration() else { return try door.serve() }
            try door.attach(to: migration)
        }
    }

    /// Whose key it is; `nil` for the controller, which needs none.
    private func owner(_ arrival: LaneArrival) -> LanePeer? {
        guard !peer.isEmpty else { return nil }
        return LanePeer(names: peer, key: key, address: arrival.client?.description)
    }

    /// The arguments of this program as root, which sudo starts without sshd's variables.
    private var becoming: [String] {
        var arguments = ["lane", "--root", location.root]
        arguments += peer.flatMap { ["--peer", $0] }
        arguments += key.map { ["--key", $0] } ?? []
        arguments += attach.map { ["--attach", $0] } ?? []
        return arguments + ToldArrival.arguments(.ofThisProcess)
    }

    /// The migration to join; `nil` for a peer's lane.
    func migration() throws(LivemigError) -> MigrationID? {
        guard let attach else { return nil }
        guard let bits = Bits128(hexadecimal: attach) else {
            throw LivemigError(.usage, "not a migration: \(attach.escaped())")
        }
        return MigrationID(bits)
    }
}

/// What sshd has said about a connection, told by the same program as another user.
struct ToldArrival: ParsableArguments {
    @Flag(help: .hidden) var told = false
    @Option(help: .hidden) var request: String?
    @Option(help: .hidden) var client: String?
    @Option(help: .hidden) var server: String?

    /// What was told; `nil` where sshd's own variables count.
    var arrival: LaneArrival? {
        guard told else { return nil }
        return LaneArrival(
            request: request, client: client.flatMap(IPAddress.init),
            server: server.flatMap(IPAddress.init))
    }

    /// How it is told.
    static func arguments(_ arrival: LaneArrival) -> [String] {
        var arguments = ["--told"]
        // More than is ever shown of a request that is refused.
        if let request = arrival.request {
            arguments.append("--request=" + String(request.prefix(1024)))
        }
        if let client = arrival.client { arguments.append("--client=\(client)") }
        if let server = arrival.server { arguments.append("--server=\(server)") }
        return arguments
    }
}

struct Guard: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Guard one VM (started by serve).", shouldDisplay: false)

    @OptionGroup var location: RootOption

    @Option var vm: String
    @Flag var incoming = false
    @Option var starter: String?
    @Flag var restore = false
    @Flag var adopt = false
    @Flag var keepStill = false

    func run() throws {
        let starter = starter.map(GuardProgram.Starter.listening) ?? .inherited
        try AgentProgram.run(inheriting: starter.inheritedDescriptors) {
            () throws(LivemigError) in
            let environment = try AgentEnvironment(root: try HostRoot(location.root))
            try GuardProgram.run(
                environment, try name(), role, isIncoming: incoming, starter)
        }
    }

    /// The VM to guard.
    func name() throws(LivemigError) -> VMName { try VMName(vm) }

    /// How the VM comes to this host, unless it comes by a move.
    var role: Guardian.Role {
        if adopt { return .adopt(keepStill: keepStill) }
        return restore ? .restore : .powerOn
    }
}

struct Recover: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put in order what this host can decide alone, and say the rest.",
        discussion: """
            Guests whose guardian died get a new one and run on; interrupted moves are given up; \
            copies that never became whole are removed. Nothing that is off is started. Ends with \
            7 when a VM needs its other host: livemig recover.
            """)

    @OptionGroup var location: RootOption

    @Argument(help: "The VMs; all of the host without one.")
    var vms: [String] = []

    func run() throws {
        try AgentProgram.run { () throws(LivemigError) in
            let environment = try AgentEnvironment(root: try HostRoot(location.root))
            let code = try LocalRecovery(environment).run(vms) { print($0) }
            guard code == .success else { ProgramEnd.leave(code.rawValue) }
        }
    }
}

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Examine this host, and say what to do about what is wrong.",
        discussion: """
            What livemig doctor shows of this host, but for its clock. Ends with 3 when
            something keeps guests from being moved.
            """)

    @OptionGroup var location: RootOption

    func run() throws {
        try AgentProgram.run { () throws(LivemigError) in
            let items = try HostExamination(root: try HostRoot(location.root)).items()
            for line in items.lines { print(line) }
            if items.count(of: .error) > 0 {
                ProgramEnd.leave(MigrationModel.ExitCode.refused.rawValue)
            }
        }
    }
}
