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

    func run() throws {
        try AgentProgram.run { () throws(LivemigError) in
            let environment = try AgentEnvironment(root: try HostRoot(location.root))
            try AgentServer(environment).run()
        }
    }
}

struct Lane: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Carry one connection of a move (the forced command of a peer's key).")

    @OptionGroup var location: RootOption

    @Option(help: ArgumentHelp("The peer that the key belongs to.", valueName: "name"))
    var peer: String?

    @Option(help: ArgumentHelp("Join the source side of a relayed move.", valueName: "migration"))
    var attach: String?

    func run() throws {
        let (request, arrival) = (LaneGate.originalCommand, LaneGate.arrivalAddress)
        try AgentProgram.run { () throws(LivemigError) in
            let root = try HostRoot(location.root)
            if let peer { try LaneGate(root: root, peer: peer).admit(request) }
            let door = LaneDoor(root: root, arrival: arrival)
            guard let migration = try migration() else { return try door.serve() }
            try door.attach(to: migration)
        }
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

struct Guard: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Guard one VM (started by serve).", shouldDisplay: false)

    @OptionGroup var location: RootOption

    @Option var vm: String
    @Option var incoming: String?
    @Option var epoch: UInt64 = 0
    @Option var peer = ""
    @Option var starter: String?
    @Flag var restore = false
    @Flag var adopt = false
    @Flag var keepStill = false

    func run() throws {
        let starter = starter.map(GuardProgram.Starter.listening) ?? .inherited
        try AgentProgram.run(inheriting: starter.inheritedDescriptors) {
            () throws(LivemigError) in
            let environment = try AgentEnvironment(root: try HostRoot(location.root))
            try GuardProgram.run(environment, try name(), try role(), starter)
        }
    }

    /// The VM to guard.
    func name() throws(LivemigError) -> VMName { try VMName(vm) }

    /// How the VM comes to this host.
    func role() throws(LivemigError) -> Guardian.Role {
        guard let incoming else {
            if adopt { return .adopt(keepStill: keepStill) }
            return restore ? .restore : .powerOn
        }
        guard let bits = Bits128(hexadecimal: incoming) else {
            throw LivemigError(.usage, "not a migration: \(incoming.escaped())")
        }
        return .incoming(
            Attempt(migration: MigrationID(bits), epoch: Epoch(epoch)), peer: peer)
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
