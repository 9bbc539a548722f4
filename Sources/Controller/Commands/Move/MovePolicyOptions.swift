import ArgumentParser
import MigrationModel

/// The options that say how a move behaves.
struct MovePolicyOptions: ParsableArguments {
    enum Fallback: String, ExpressibleByArgument, CaseIterable {
        case abort, pause
    }

    enum Compression: String, ExpressibleByArgument, CaseIterable {
        case auto, none, lz4, zstd
    }

    enum Path: String, ExpressibleByArgument, CaseIterable {
        case direct, relay
    }

    enum Verification: String, ExpressibleByArgument, CaseIterable {
        case frame, pages, audit, full
    }

    @Option(
        name: .customLong("max-downtime"),
        help: ArgumentHelp("The guest's stop to aim for.", valueName: "time"))
    var maxDowntime = "300ms"

    @Option(help: ArgumentHelp("The longest time before the switchover.", valueName: "time"))
    var timeout = "30m"

    @Option(
        name: .customLong("on-timeout"),
        help:
            "What then, or when the copy does not converge: give up, or stop the guest for longer."
    )
    var onTimeout: Fallback = .abort

    @Option(help: ArgumentHelp("The most to send, such as 1Gbit or 50MiB/s.", valueName: "rate"))
    var bandwidth: String?

    @Option(
        help: ArgumentHelp(
            "Data connections, 1 to 16. (default: the source chooses)", valueName: "n"))
    var lanes: Int?

    @Option(
        help: ArgumentHelp(
            "How pages are compressed. (default: as the source's settings say)",
            valueName: "codec"))
    var compression: Compression?

    @Option(help: "From host to host, or through this machine.")
    var path: Path = .direct

    @Option(
        help: ArgumentHelp("How the copy of memory is compared.", valueName: "level"))
    var verify: Verification = .pages

    @Flag(
        name: .customLong("keep-paused"), help: "Move a guest even if it is paused, to stay paused."
    )
    var keepPaused = false

    @Option(
        name: .customLong("map-network"),
        help: ArgumentHelp(
            "A bridge of the guest, and what takes its place on the destination; may be repeated.",
            valueName: "old=new"))
    var mapNetwork: [String] = []

    /// What takes the place of bridges.
    /// - Throws: `E-USAGE` for what is not OLD=NEW, or a bridge named twice.
    func networks() throws(LivemigError) -> NetworkMap {
        do throws(LivemigError) {
            return try NetworkMap(
                try mapNetwork.map { text throws(LivemigError) in
                    let parts = text.split(separator: "=", omittingEmptySubsequences: false)
                    guard parts.count == 2 else {
                        throw LivemigError(
                            .usage, "\(text.escaped()) is not OLD=NEW", fix: "write such as br0=br7"
                        )
                    }
                    return try NetworkMap.Entry(String(parts[0]), String(parts[1]))
                })
        } catch {
            throw error.at("--map-network")
        }
    }

    /// The policy.
    /// - Throws: `E-SIZE` without a unit, `E-RANGE` for values that make no sense.
    func policy() throws(LivemigError) -> MigrationPolicy {
        var policy = MigrationPolicy()
        policy.maxDowntime = try option("--max-downtime", maxDowntime) {
            text throws(LivemigError) in try Duration(parsing: text)
        }
        policy.timeout = try option("--timeout", timeout) { text throws(LivemigError) in
            try Duration(parsing: text)
        }
        guard policy.maxDowntime <= policy.timeout else {
            throw LivemigError(
                .range, "--max-downtime \(maxDowntime) is longer than --timeout \(timeout)",
                fix: "choose a downtime below the timeout")
        }
        if let bandwidth {
            policy.bandwidth = try option("--bandwidth", bandwidth) { text throws(LivemigError) in
                try Bandwidth(parsing: text)
            }
        }
        if let lanes, !(1...MigrationPolicy.laneLimit).contains(lanes) {
            throw LivemigError(
                .range, "\(lanes) lanes are not possible", at: "--lanes",
                fix: "give 1 to \(MigrationPolicy.laneLimit)")
        }
        policy.lanes = lanes
        policy.onTimeout =
            switch onTimeout {
            case .abort: .abort
            case .pause: .pause
            }
        let codecs = MigrationPolicy.Compression.allCases
        policy.compression = codecs.first { $0.word == compression?.rawValue } ?? .auto
        policy.path =
            switch path {
            case .direct: .direct
            case .relay: .relay
            }
        policy.keepPaused = keepPaused
        policy.verification =
            switch verify {
            case .frame: .frame
            case .pages: .pages
            case .audit: .audit
            case .full: .full
            }
        return policy
    }

    private func option<Value>(
        _ name: String, _ text: String, _ parse: (String) throws(LivemigError) -> Value
    ) throws(LivemigError) -> Value {
        do {
            return try parse(text)
        } catch {
            throw error.at(name)
        }
    }
}
