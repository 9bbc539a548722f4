#if CrashPoints
    import CrashPoints
    import Glibc
    import LinuxSystem
    import MigrationModel
    import TestSupport

    /// Two hosts with a guest on which crashes are tried one after the other, each followed by a
    /// recovery by whatever is left and by a move that must go well.
    final class CrashBench {
        private let hosts: TwoHosts
        private let someone: Operator
        private var source: TestHost
        private var destination: TestHost

        /// What the guest does meanwhile: few pages, written all the time.
        private static let workload = "fill=4MiB ws=1MiB rate=4MiB/s"
        /// How long a move, or a recovery, may take with programs stopped for 5 s.
        private static let limit: Duration = .seconds(60)

        init() throws {
            hosts = try TwoHosts()
            someone = try Operator(hosts)
            source = hosts.alpha
            destination = hosts.beta
            try hosts.start(Self.workload, memory: 16)
        }

        /// Tries one crash.
        /// - Returns: what did not hold afterwards; empty when all is well.
        func run(_ crash: CrashCase) throws -> [String] {
            let flags = someone.folder.path("points")
            _ = unsafe mkdir(flags, 0o700)
            let folder = switch crash.side {
                case .controller: flags
                case .source: source.root
                case .destination: destination.root
            }
            try write(crash.point.rawValue, to: folder + "/crash-point")
            let move = try someone.begin(
                ["move", "guest", "--to", destination.name.text, "--lanes", "1"],
                environment: ["LIVEMIG_CRASH_POINTS": flags])
            guard let waiting = try waitForPoint(folder, move) else {
                _ = unsafe unlink(folder + "/crash-point")
                return ["the point was not reached: \(try move.finish())"]
            }
            hit(crash, move, waiting)
            let result = try move.finish()
            return try check(crash, result)
        }

        /// Waits until a program waits at the point; `nil` when the move ends without that.
        private func waitForPoint(
            _ folder: String, _ move: CommandInProgress
        ) throws -> Int32? {
            let path = folder + "/crash-point.reached"
            let deadline = MonotonicTime.now + Self.limit
            while MonotonicTime.now < deadline {
                if let id = Int32(ProcessFiles.text(path).filter(\.isNumber)) {
                    _ = unsafe unlink(path)
                    return id
                }
                if move.hasEnded { return nil }
                usleep(2000)
            }
            return nil
        }

        private func hit(_ crash: CrashCase, _ move: CommandInProgress, _ waiting: Int32) {
            let victims = victims(crash.victim, move)
            switch crash.fault {
            case .killed:
                for id in victims { kill(id, SIGKILL) }
            case .stopped:
                for id in victims { kill(id, SIGSTOP) }
                // Everybody else goes on meanwhile.
                if !victims.contains(waiting) { kill(waiting, SIGCONT) }
                sleep(5)
                for id in victims { kill(id, SIGCONT) }
            }
            kill(waiting, SIGCONT)
        }

        private func victims(
            _ victim: CrashCase.Victim, _ move: CommandInProgress
        ) -> [Int32] {
            switch victim {
            case .controller: [move.processID]
            case .sourceAgent: source.processIDs(with: " serve ")
            case .sourceGuardian: source.processIDs(with: " guard ")
            case .sourceGuest: source.processIDs(with: "livemig-synthetic-guest")
            case .destinationAgent: destination.processIDs(with: " serve ")
            case .destinationGuardian: destination.processIDs(with: " guard ")
            case .destinationGuest: destination.processIDs(with: "livemig-synthetic-guest")
            }
        }

        private func write(_ text: String, to path: String) throws {
            let file = try OwnedDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC)
            try DescriptorIO.write(Array(text.utf8), to: file.number)
        }
    }

    // MARK: Afterwards

    extension CrashBench {
        private func check(_ crash: CrashCase, _ move: CommandResult) throws -> [String] {
            let recovery = try recover()
            guard recovery.status == 0 else { return ["no recovery: \(recovery)", "\(move)"] }
            let isGuestHit = [.sourceGuest, .destinationGuest].contains(crash.victim)
            if isGuestHit, crash.fault == .killed, try state() == .stopped {
                // The hypervisor is what died: there is nothing left but to start anew.
                let start = try someone.run("vm", "start", "guest")
                guard start.status == 0 else { return ["not started: \(start)"] }
            }
            guard let owner = try owner() else {
                return ["no single owner: \(try someone.run("status", "guest"))", "\(move)"]
            }
            let other = owner === hosts.alpha ? hosts.beta : hosts.alpha
            var faults = try checkGuest(on: owner)
            faults += checkNothing(of: "guest", on: other)
            faults += checkClaim(move, owner)
            if !faults.isEmpty { faults.append("\(move)\n\(recovery)") }
            (source, destination) = (owner, other)
            return faults + (try moveOn())
        }

        /// Recovers until nothing is busy any more: agents that were hit may take time to go.
        private func recover() throws -> CommandResult {
            let deadline = MonotonicTime.now + .seconds(30)
            while true {
                let result = try someone.run("recover", "guest")
                let isBusy = result.status == ExitCode.busy.rawValue
                guard isBusy, MonotonicTime.now < deadline else { return result }
                usleep(100_000)
            }
        }

        private func state() throws -> GuestLocation.State? {
            try owner().flatMap { try? hosts.summary(on: $0).state }
        }

        private func owner() throws -> TestHost? {
            let owners = [hosts.alpha, hosts.beta].filter { host in
                (try? hosts.summary(on: host).right.mayRun) ?? false
            }
            return owners.count == 1 ? owners[0] : nil
        }

        private func checkGuest(on host: TestHost) throws -> [String] {
            var faults: [String] = []
            let summary = try hosts.summary(on: host)
            if summary.state != .running { faults.append("the guest is \(summary.state)") }
            let guests = host.processIDs(with: "livemig-synthetic-guest").count
            if guests != 1 { faults.append("\(guests) guests on \(host.name)") }
            do {
                let pages = try host.differingPages()
                if pages != "0" { faults.append("\(pages) pages of the guest differ") }
            } catch {
                faults.append("the guest does not answer: \(error)")
            }
            return faults
        }

        private func checkNothing(of vm: String, on host: TestHost) -> [String] {
            let deadline = MonotonicTime.now + .seconds(15)
            while !host.processes.isEmpty || !host.leftovers.isEmpty {
                guard MonotonicTime.now < deadline else {
                    return ["left on \(host.name): \(host.processes) \(host.leftovers)"]
                }
                usleep(20_000)
            }
            return []
        }

        /// Whatever the command said about where the guest is, it must be true.
        private func checkClaim(_ move: CommandResult, _ owner: TestHost) -> [String] {
            switch move.status {
            case ExitCode.success.rawValue, ExitCode.committed.rawValue:
                owner === destination ? [] : ["the move said it went well"]
            case ExitCode.failedOnSource.rawValue, ExitCode.cancelled.rawValue,
                ExitCode.verification.rawValue:
                owner === source ? [] : ["the move said that the guest runs on the source"]
            default: []
            }
        }

        /// The next move goes well, and takes the guest to the other host.
        private func moveOn() throws -> [String] {
            let next = try someone.run(
                "move", "guest", "--to", destination.name.text, "--lanes", "1")
            guard next.status == 0 else { return ["the next move failed: \(next)"] }
            (source, destination) = (destination, source)
            let pages = try source.differingPages()
            return pages == "0" ? [] : ["\(pages) pages differ after the next move"]
        }
    }
#endif
