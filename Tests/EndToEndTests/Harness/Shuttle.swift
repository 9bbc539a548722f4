import Glibc
import LinuxSystem
import MigrationModel
import TestSupport

/// A guest that is moved to and fro between two hosts, whatever happens to its moves;
/// what must hold after each is in `Shuttle+Checks.swift`.
final class Shuttle {
    let hosts: TwoHosts
    let someone: Operator
    let guest: GuestKind
    /// The host that the guest is on.
    private(set) var source: TestHost
    /// The other.
    private(set) var destination: TestHost

    convenience init(_ guest: GuestKind = .synthetic) throws {
        let hosts = try TwoHosts()
        try self.init(hosts, try Operator(hosts), guest)
    }

    /// A guest between hosts that somebody reaches in a way of their own.
    init(_ hosts: TwoHosts, _ someone: Operator, _ guest: GuestKind = .synthetic) throws {
        self.hosts = hosts
        self.someone = someone
        self.guest = guest
        source = hosts.alpha
        destination = hosts.beta
        try guest.start(on: hosts)
    }

    /// Begins a move of the guest to the other host, on one lane unless the options say otherwise.
    func begin(
        _ options: [String] = [], environment: [String: String] = [:]
    ) throws -> CommandInProgress {
        let lanes = options.contains("--lanes") ? [] : ["--lanes", "1"]
        return try someone.begin(
            ["move", "guest", "--to", destination.name.text] + lanes + options,
            environment: environment)
    }

    /// Notes on which host the guest is now.
    func settle(on owner: TestHost) {
        source = owner
        destination = owner === hosts.alpha ? hosts.beta : hosts.alpha
    }

    /// Recovers until nothing is busy any more: agents that were hit may take time to go.
    func recover() throws -> CommandResult {
        let deadline = MonotonicTime.now + .seconds(30)
        while true {
            let result = try someone.run("recover", "guest")
            let isBusy = result.status == ExitCode.busy.rawValue
            guard isBusy, MonotonicTime.now < deadline else { return result }
            usleep(100_000)
        }
    }

    /// The host whose record gives it the right to run the guest; `nil` unless it is exactly one.
    func owner() throws -> TestHost? {
        let owners = [hosts.alpha, hosts.beta].filter { host in
            (try? hosts.summary(on: host).right.mayRun) ?? false
        }
        return owners.count == 1 ? owners[0] : nil
    }

    /// What the guest does on the host that owns it.
    func state() throws -> GuestLocation.State? {
        try owner().flatMap { try? hosts.summary(on: $0).state }
    }
}
