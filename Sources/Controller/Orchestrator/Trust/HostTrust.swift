public import MigrationModel
import WireProtocol

/// Lets agents open lanes to each other, and takes that back.
///
/// A key counts only once it has been tried: the peer's agent has logged in with it and been
/// answered by livemig's gate, and the operator has logged in anew. Until then hosts undo their
/// changes when the conversation ends, for whatever reason.
public struct HostTrust: Sendable {
    private let control: HostControl

    /// Works on hosts of an inventory.
    public init(_ control: HostControl) { self.control = control }

    /// What a host accepts from another one now.
    public struct Grant: Hashable, Sendable {
        /// The host whose agent may come.
        public let source: HostName
        /// The host that lets it in.
        public let destination: HostName
        /// Addresses that its key is tied to; empty for all.
        public let addresses: [String]
    }

    /// What a host no longer accepts.
    public struct Withdrawal: Sendable {
        /// The host whose agent may come no more.
        public let source: HostName
        /// The host that let it in.
        public let destination: HostName
        /// The fingerprints of the keys that were taken out, or why it could not be asked.
        public let result: Result<[String], LivemigError>
    }

    // MARK: Trust

    /// Lets the agent of the first host open lanes to the second, and the other way round.
    ///
    /// - Parameter isOneWay: whether the second host's agent may not come to the first.
    /// - Throws: `E-SAMEHOST` for one host twice, and what keeps a key from being of use; all hosts
    ///   are as they were then.
    public func trust(
        _ first: HostName, _ second: HostName, isOneWay: Bool
    ) async throws(LivemigError) -> [Grant] {
        let hosts = try pair(first, second)
        let opened = await askAll(hosts) { host async throws(LivemigError) in
            try await control.dialer.open(host)
        }
        let agents = opened.compactMap(\.value)
        var result: Result<[Grant], LivemigError>
        do throws(LivemigError) {
            if let failure = opened.compactMap(\.error).first { throw failure }
            result = .success(try await settle(agents, isOneWay: isOneWay))
        } catch {
            result = .failure(error)
        }
        for agent in agents { await agent.close() }
        return try result.get()
    }

    private func pair(
        _ first: HostName, _ second: HostName
    ) throws(LivemigError) -> [HostRecord] {
        guard first != second else {
            throw LivemigError(
                .sameHost, "\(first) is named twice", fix: "name two hosts of the inventory")
        }
        return [try control.directory.host(first), try control.directory.host(second)]
    }

    /// Tries everything, then has all hosts keep what they have changed, or undo it.
    private func settle(
        _ agents: [AgentConnection], isOneWay: Bool
    ) async throws(LivemigError) -> [Grant] {
        do throws(LivemigError) {
            var grants = [try await grant(agents[0], agents[1])]
            if !isOneWay { grants.append(try await grant(agents[1], agents[0])) }
            for agent in agents.suffix(grants.count) { try await logIn(agent.host) }
            for agent in agents { try await agent.settlePeers(keeping: true) }
            return grants
        } catch {
            var failure = error
            for agent in agents {
                do throws(LivemigError) {
                    try await agent.settlePeers(keeping: false)
                } catch {
                    guard error.code == .busy else { continue }
                    failure.what += "; \(error.explanation)"
                }
            }
            throw failure
        }
    }

    /// The operator's own way to a host, by a new connection.
    private func logIn(_ host: HostRecord) async throws(LivemigError) {
        do throws(LivemigError) {
            await (try control.dialer.open(host)).close()
        } catch {
            var failure = error
            failure.what = "this machine itself cannot log in any more: \(error.what)"
            throw failure
        }
    }

    private func grant(
        _ source: AgentConnection, _ destination: AgentConnection
    ) async throws(LivemigError) -> Grant {
        let keys = try await source.keys()
        let host = try await destination.facts().identity
        let (from, to) = (source.host, destination.host)
        func authorize(_ addresses: [String]) async throws(LivemigError) {
            try await destination.authorize(
                from.name, keys, addresses: addresses, isProvisional: true)
        }
        func knock() async throws(LivemigError) -> GateOpened {
            let answer = try await source.knock(at: to)
            guard answer.host == host else {
                throw LivemigError(
                    .gate,
                    "the key of \(from.name) leads to \(answer.root.escaped()) on "
                        + "\(to.name), not to \(to.root)", at: to.name.text,
                    fix: "give each of the hosts on that machine a file of its own with "
                        + "host add --authorized-keys, or a user")
            }
            return answer
        }
        let own = await addresses(of: source)
        try await authorize(own)
        guard !own.isEmpty else { return try await untied(from, to, knock) }
        do throws(LivemigError) {
            _ = try await knock()
            return Grant(source: from.name, destination: to.name, addresses: own)
        } catch {
            guard error.code == .authentication else { throw error }
        }
        // The destination sees another address, such as that of a router in between.
        try await authorize([])
        let seen = try await knock().address
        guard let network = LaneAddresses.tied(seen), !own.contains(network) else {
            return Grant(source: from.name, destination: to.name, addresses: [])
        }
        let wider = own + [network]
        try await authorize(wider)
        do throws(LivemigError) {
            _ = try await knock()
            return Grant(source: from.name, destination: to.name, addresses: wider)
        } catch {
            guard error.code == .authentication else { throw error }
            try await authorize([])
            return try await untied(from, to, knock)
        }
    }

    private func untied(
        _ from: HostRecord, _ to: HostRecord,
        _ knock: () async throws(LivemigError) -> GateOpened
    ) async throws(LivemigError) -> Grant {
        _ = try await knock()
        return Grant(source: from.name, destination: to.name, addresses: [])
    }

    /// Where a host's lanes can come from, as far as it is known; none where that is too much.
    private func addresses(of agent: AgentConnection) async -> [String] {
        let usable = (try? await agent.settings().addresses.map(\.description)) ?? []
        return LaneAddresses.list([agent.host.address] + usable)
    }

    // MARK: Untrust

    /// Takes the keys of the first host's agent out at the second, and the other way round.
    /// - Parameter isOneWay: whether the second host's agent may still come to the first.
    /// - Throws: `E-SAMEHOST`, `E-NOHOST`.
    public func untrust(
        _ first: HostName, _ second: HostName, isOneWay: Bool
    ) async throws(LivemigError) -> [Withdrawal] {
        let hosts = try pair(first, second)
        var results = [await withdraw(hosts[0], at: [hosts[1]])]
        if !isOneWay { results.append(await withdraw(hosts[1], at: [hosts[0]])) }
        return results.flatMap { $0 }
    }

    /// Takes a host's keys out at all other hosts of the inventory, by its name.
    public func withdraw(everywhere host: HostName) async throws(LivemigError) -> [Withdrawal] {
        let others = control.directory.hosts.filter { $0.name != host }
        return await withdraw(try control.directory.host(host), at: others, asking: false)
    }

    /// - Parameter asking: whether the host itself is asked for its keys; its name counts where it
    ///   cannot be.
    private func withdraw(
        _ host: HostRecord, at others: [HostRecord], asking: Bool = true
    ) async -> [Withdrawal] {
        var keys = PublicKeyMessage(lines: [])
        if asking {
            keys =
                (try? await control.talk(to: host) { agent async throws(LivemigError) in
                    try await agent.keys()
                }) ?? keys
        }
        let answers = await askAll(others) { [keys] other async throws(LivemigError) in
            try await control.talk(to: other) { agent async throws(LivemigError) in
                try await agent.withdraw(host.name, keys)
            }
        }
        return answers.map {
            Withdrawal(source: host.name, destination: $0.host.name, result: $0.result)
        }
    }
}

/// Addresses that a line in authorized_keys is tied to.
enum LaneAddresses {
    /// As many as a line can name.
    private static let limit = 32

    /// Those of a host that others can use, each once; none where they are too many to name.
    static func list(_ texts: [String]) -> [String] {
        var found: [String] = []
        for text in texts {
            guard let address = tied(text), !found.contains(address) else { continue }
            found.append(address)
        }
        return found.count <= limit ? found : []
    }

    /// An IPv4 address as it is, for IPv6 its network of 64 bits, since hosts change the rest by
    /// themselves (RFC 8981); `nil` for a name and for a link-local address.
    static func tied(_ text: String) -> String? {
        guard let address = IPAddress(text) else { return nil }
        guard address.bytes.count == 16 else { return address.description }
        let isLoopback = address.bytes.dropLast().allSatisfy { $0 == 0 }
        if isLoopback { return address.description }
        guard address.isUsableByPeers,
            let base = IPAddress(bytes: address.bytes.prefix(8) + [UInt8](repeating: 0, count: 8)),
            let network = Subnet(base, prefix: 64)
        else { return nil }
        return network.description
    }
}
