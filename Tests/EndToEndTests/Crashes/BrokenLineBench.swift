#if CrashPoints
import CrashPoints
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport

/// Two hosts behind fault proxies, with a guest in whose hand-overs connections break, one after
/// the other, each followed by a recovery and by a move that must go well.
final class BrokenLineBench {
    private let shuttle: Shuttle
    private let proxies: [FaultProxy]

    init() throws {
        let hosts = try TwoHosts()
        let someone = try Operator()
        proxies = try [hosts.alpha, hosts.beta].map { host in
            let proxy = try FaultProxy(to: host.ssh.port)
            try someone.add(host, Operator.Entry(port: proxy.port))
            return proxy
        }
        shuttle = try Shuttle(hosts, someone)
    }

    /// Tries one case.
    /// - Returns: what did not hold afterwards; empty when all is well.
    func run(_ this: BrokenLineCase) throws -> [String] {
        for proxy in proxies { proxy.restart() }
        let flag = CrashFlag(folder: (this.isSource ? shuttle.source : shuttle.destination).root)
        try flag.raise(this.point)
        let move = try shuttle.begin()
        guard let waiting = flag.wait(move) else {
            return ["the half-step was not reached: \(try move.finish())"]
        }
        try strike(this)
        kill(waiting, SIGCONT)
        let result = try move.finish()
        for proxy in proxies { proxy.heal() }
        let faults = checkWords(result, this) + (try check(result, this))
        return faults.isEmpty ? [] : faults + ["\(result)"]
    }

    private func proxy(of host: TestHost) -> FaultProxy {
        proxies[host === shuttle.hosts.alpha ? 0 : 1]
    }

    /// Breaks connections; the last two to the destination are the link and its one lane.
    private func strike(_ this: BrokenLineCase) throws {
        let (fault, directions) = this.kind.fault
        let (near, far) = (proxy(of: shuttle.source), proxy(of: shuttle.destination))
        let link = far.traffic.count - 2
        switch this.line {
        case .link: try far.strike(fault, directions, on: link..<link + 2)
        case .toSource: try near.strike(fault, directions, on: 0..<near.traffic.count)
        case .toDestination: try far.strike(fault, directions, on: 0..<link)
        case .everything:
            try far.strike(fault, directions, on: 0..<(.max))
            try near.strike(fault, directions, on: 0..<(.max))
        }
    }

    // MARK: Afterwards

    /// What the command said must be one of the things that it may say, and must name its way out.
    private func checkWords(_ move: CommandResult, _ this: BrokenLineCase) -> [String] {
        let said = move.lines.last ?? ""
        let (source, destination) = (shuttle.source.name, shuttle.destination.name)
        switch ExitCode(rawValue: move.status) {
        case .success: return []
        case _ where this.line == .toDestination: return ["the move needs its source only"]
        case .failedOnSource, .cancelled:
            let isSaid = said.hasPrefix("VM guest is RUNNING on \(source) (epoch ")
            return isSaid ? [] : ["it does not say that the guest runs on \(source)"]
        case .committed:
            let isSaid = said.hasPrefix("VM guest is RUNNING on \(destination) (epoch ")
            return isSaid ? [] : ["it does not say that the guest runs on the destination"]
        case .inTransfer:
            let isSaid = move.errors.contains("livemig recover guest")
            return isSaid ? [] : ["it does not say what to do"]
        default: return ["not an end that such a move can have"]
        }
    }

    private func check(_ move: CommandResult, _ this: BrokenLineCase) throws -> [String] {
        let recovery = try shuttle.recover()
        guard recovery.status == 0 else { return ["no recovery: \(recovery)"] }
        // Whoever was cut off from the controller learns of that from sshd alone; between hosts
        // nothing but the agents' own limits may be needed.
        if this.line != .link { for proxy in proxies { proxy.restart() } }
        var faults = try shuttle.check(after: move)
        faults += checkAgents() + (try checkStatus())
        if !faults.isEmpty { faults.append("\(recovery)") }
        return faults + (try shuttle.checkNextMove())
    }

    /// The host of the guest has its guardian and its hypervisor, and no agent of the move.
    private func checkAgents() -> [String] {
        let deadline = MonotonicTime.now + .seconds(15)
        while shuttle.source.processes.count != 2 {
            guard MonotonicTime.now < deadline else {
                return ["left where the guest runs: \(shuttle.source.processes)"]
            }
            usleep(20_000)
        }
        return []
    }

    private func checkStatus() throws -> [String] {
        let status = try shuttle.someone.run("status", "guest")
        let isSaid =
            status.lines.first?.hasPrefix("guest runs on \(shuttle.source.name) (epoch ") ?? false
        return isSaid && status.status == 0 ? [] : ["\(status)"]
    }
}
#endif
