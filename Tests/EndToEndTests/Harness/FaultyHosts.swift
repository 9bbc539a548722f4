import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Two hosts, each behind a fault proxy, which is what the operator's inventory names: every
/// connection of a move, the controller's and the peer's, goes through one.
final class FaultyHosts {
    let hosts: TwoHosts
    let someone: Operator
    private let proxies: [FaultProxy]
    /// Where the guest is, by its index in `all`.
    private(set) var place = 0

    /// Bytes that pass on each connection to the destination in a move without faults, in the order
    /// of the connections: the controller's first, then the link, then the data lanes.
    private(set) var traffic: [FaultProxy.Traffic] = []

    private static let lanes = 2

    init(_ hosts: TwoHosts, workload: String) throws {
        self.hosts = hosts
        someone = try Operator()
        proxies = try [hosts.alpha, hosts.beta].map { try FaultProxy(to: $0.ssh.port) }
        for (host, proxy) in zip([hosts.alpha, hosts.beta], proxies) {
            try someone.add(host, Operator.Entry(port: proxy.port))
        }
        try hosts.start(workload)
        try moveCleanly()
        #expect(traffic.count == 2 + Self.lanes, "\(traffic)")
    }

    private var all: [TestHost] { [hosts.alpha, hosts.beta] }
    /// The host that the guest is on.
    var source: TestHost { all[place] }
    /// The other.
    var destination: TestHost { all[1 - place] }
    /// The proxy in front of the other.
    var proxy: FaultProxy { proxies[1 - place] }

    /// The number of the link among the connections to the destination.
    var link: Range<Int> {
        let number = traffic.count - 1 - Self.lanes
        return number..<number + 1
    }
    /// The data lanes.
    var dataLanes: Range<Int> { link.upperBound..<(.max) }
    /// Everything between the two agents.
    var peers: Range<Int> { link.lowerBound..<(.max) }

    /// Bytes of a data lane in a move without faults.
    var laneBytes: UInt64 { traffic[link.upperBound].toServer }
    /// Bytes of the link.
    var linkBytes: UInt64 { traffic[link.lowerBound].toServer }

    /// Starts a move of the guest to the other host.
    func begin() throws -> CommandInProgress {
        try someone.begin([
            "move", "guest", "--to", destination.name.text, "--lanes", "\(Self.lanes)",
            "--compression", "none", "--max-downtime", "3s", "--output", "json",
        ])
    }

    /// Moves the guest to the other host without faults, which must work.
    func moveCleanly(_ location: SourceLocation = #_sourceLocation) throws {
        for proxy in proxies { proxy.restart() }
        try moveAsPlanned(location)
    }

    /// Moves the guest to the other host under the faults that are planned, which must work.
    func moveAsPlanned(_ location: SourceLocation = #_sourceLocation) throws {
        let run = try begin().finish()
        try #require(run.status == 0, "\(run)", sourceLocation: location)
        // Before anybody else connects.
        if traffic.isEmpty { traffic = proxy.traffic }
        place = 1 - place
        try expectIntact("a move that works", location)
    }

    /// Moves the guest under faults, which must fail and leave everything as it was; then without.
    func expectRefused(
        _ plans: [FaultProxy.Plan], _ name: String, _ codes: Set<ErrorCode>,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        for proxy in proxies { proxy.restart() }
        for plan in plans { proxy.plan(plan) }
        let run = try begin().finish()
        try expectFailure(run, name, codes, location)
        try moveCleanly(location)
    }

    /// Moves the guest and lets a fault happen in the middle of round 0.
    ///
    /// - Parameters:
    ///   - fault: what happens.
    ///   - direction: to which bytes.
    ///   - connections: on which connections.
    ///   - host: to which host they lead; `nil` for the destination.
    func move(
        striking fault: Fault, _ direction: FaultProxy.Direction, on connections: Range<Int>,
        at host: TestHost? = nil
    ) throws -> CommandResult {
        for proxy in proxies { proxy.restart() }
        // Slow enough for the fault to come in time.
        let first = link.upperBound
        proxy.plan(
            .init(.throttle(Bandwidth(bytesPerSecond: 4 << 20)), on: first..<first + Self.lanes))
        // Lanes take pages as they can; together they carry the same each time.
        let sum = { (all: [FaultProxy.Traffic]) in
            all.dropFirst(first).reduce(0) { $0 + $1.toServer }
        }
        let half = sum(traffic) / 2
        let move = try begin()
        try proxy.wait { sum($0) > half }
        let place = host === source ? self.place : 1 - self.place
        try proxies[place].strike(fault, [direction], on: connections)
        return try move.finish()
    }

    /// Insists that a move has brought the guest to the other host, and ended with one of some
    /// codes.
    func expectMoved(
        _ run: CommandResult, _ codes: Set<ExitCode>, _ name: String,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        let code = ExitCode(rawValue: run.status)
        #expect(code.map(codes.contains) ?? false, "\(name): \(run)", sourceLocation: location)
        let result = try run.moveLines(location).last
        #expect(
            result?.vmIs?.state == "running" && result?.vmIs?.host == destination.name.text,
            "\(name): \(run)", sourceLocation: location)
        for proxy in proxies { proxy.restart() }
        place = 1 - place
        try expectIntact(name, location)
    }

    /// Insists that a move has failed before the commit.
    func expectFailure(
        _ run: CommandResult, _ name: String, _ codes: Set<ErrorCode>,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        #expect(run.status == 5, "\(name): \(run)", sourceLocation: location)
        let code = run.messages.last { $0.hasPrefix("livemig: error[") }
            .flatMap { $0.split(separator: "[").dropFirst().first?.prefix { $0 != "]" } }
            .flatMap { ErrorCode(rawValue: String($0)) }
        #expect(
            code.map(codes.contains) ?? false, "\(name): \(run)", sourceLocation: location)
        let result = try run.moveLines(location).last
        #expect(
            result?.vmIs?.state == "running" && result?.vmIs?.host == source.name.text,
            "\(name): \(run)", sourceLocation: location)
        for proxy in proxies { proxy.restart() }
        try expectIntact(name, location)
    }

    /// Insists that the guest runs where it should be and only there, that its memory is what it
    /// wrote, that `livemig status` says so, and that nothing is left on the other host.
    private func expectIntact(_ name: String, _ location: SourceLocation) throws {
        let (here, there) = (source, destination)
        let summary = try hosts.summary(on: here)
        #expect(summary.state == .running, "\(name)", sourceLocation: location)
        #expect(summary.right.word == "OWN", "\(name)", sourceLocation: location)
        try expectSoon(within: .seconds(15), { there.leftovers.isEmpty }, location)
        try expectSoon(within: .seconds(15), { there.processes.isEmpty }, location)
        // The guardian and the guest, and no agent.
        try expectSoon(within: .seconds(15), { here.processes.count == 2 }, location)
        #expect(try here.differingPages() == "0", "\(name)", sourceLocation: location)
        let status = try someone.run("status", "guest")
        #expect(
            status.lines.first?.hasPrefix("guest runs on \(here.name) (epoch ") ?? false,
            "\(name): \(status)", sourceLocation: location)
    }
}
