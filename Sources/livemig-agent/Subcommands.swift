import ArgumentParser
import Glibc
import Guardian
import HostAgent
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
        let request = LaneGate.originalCommand
        try AgentProgram.run { () throws(LivemigError) in
            let root = try HostRoot(location.root)
            if let peer { try LaneGate(root: root, peer: peer).admit(request) }
            let door = LaneDoor(root: root)
            guard let attach else { return try door.serve() }
            guard let bits = Bits128(hexadecimal: attach) else {
                throw LivemigError(.usage, "not a migration: \(attach.escaped())")
            }
            try door.attach(to: MigrationID(bits))
        }
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

    func run() throws {
        try AgentProgram.run(inheriting: GuardProgram.inheritedDescriptors) {
            () throws(LivemigError) in
            let environment = try AgentEnvironment(root: try HostRoot(location.root))
            try GuardProgram.run(environment, try VMName(vm), try role())
        }
    }

    private func role() throws(LivemigError) -> Guardian.Role {
        guard let incoming else { return .powerOn }
        guard let bits = Bits128(hexadecimal: incoming) else {
            throw LivemigError(.usage, "not a migration: \(incoming.escaped())")
        }
        return .incoming(
            Attempt(migration: MigrationID(bits), epoch: Epoch(epoch)), peer: peer)
    }
}

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what this host can do for livemig.")

    @OptionGroup var location: RootOption

    func run() throws {
        try AgentProgram.run { () throws(LivemigError) in
            let environment = try AgentEnvironment(root: try HostRoot(location.root))
            for line in DoctorReport(environment).lines { print(line) }
        }
    }
}
