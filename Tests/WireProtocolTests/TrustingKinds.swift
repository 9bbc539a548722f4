import MigrationModel
import TestSupport
import WireProtocol

extension MessageKind {
    static let trusting: [MessageKind] = [
        MessageKind(
            PublicKeyMessage(
                lines: ["ssh-ed25519 AAAA"], former: ["ssh-ed25519 AAAB"], host: "01ab"),
            [keys("lines"), keys("former"), .text("host", WireLimits.word)]
        ) { random in
            PublicKeyMessage(
                lines: random.names(), former: random.names(), host: random.plain(60))
        },
        authorization, withdrawal,
        MessageKind(PeersWithdrawn(["SHA256:abc"]), [keys("fingerprints")]) {
            PeersWithdrawn($0.names())
        },
        MessageKind(SettlePeers(keeping: true), [.fixed("kept", 1)]) {
            SettlePeers(keeping: $0.flag())
        },
        MessageKind(TryPeer(samplePeer), Layout.peer) { TryPeer($0.peer()) },
        MessageKind(
            GateOpened(
                names: ["alpha"], key: "SHA256:abc", root: "/var/lib/livemig",
                host: "01ab", address: "10.0.0.11"),
            [
                keys("names"), .text("key", WireLimits.name), .text("root", WireLimits.name),
                .text("host", WireLimits.word),
                .text("address", WireLimits.name),
            ]
        ) { random in
            GateOpened(
                names: random.names(), key: random.text(99), root: random.text(99),
                host: random.plain(60), address: random.text(99))
        },
    ]

    private static func keys(_ name: String) -> Layout {
        .list(name, WireLimits.items, [.text("text", WireLimits.name)])
    }

    private static var authorization: MessageKind {
        guard case .success(let host) = MachineField.host else { fatalError("a plain name") }
        return MessageKind(
            AuthorizePeer(
                peer: host, keys: ["ssh-ed25519 AAAA"], former: ["ssh-ed25519 AAAB"],
                host: "01ab", addresses: ["10.0.0.11"], file: "/root/.ssh/authorized_keys",
                agent: "/usr/bin/livemig-agent", usesSudo: true, isProvisional: true),
            [
                .text("peer", 64), keys("keys"), keys("former"), .text("host", WireLimits.word),
                keys("addresses"), .optional(.text("file", WireLimits.name)),
                .text("agent", WireLimits.name), .fixed("sudo", 1), .fixed("provisional", 1),
            ]
        ) { random in
            AuthorizePeer(
                peer: (try? HostName(random.plain(64))) ?? host, keys: random.names(),
                former: random.names(), host: random.plain(60), addresses: random.names(),
                file: random.flag() ? random.text(99) : nil, agent: random.text(99),
                usesSudo: random.flag(), isProvisional: random.flag())
        }
    }

    private static var withdrawal: MessageKind {
        guard case .success(let host) = MachineField.host else { fatalError("a plain name") }
        return MessageKind(
            WithdrawPeer(
                peer: host, keys: ["ssh-ed25519 AAAA"], host: "01ab",
                file: "/root/.ssh/authorized_keys"),
            [
                .text("peer", 64), keys("keys"), .text("host", WireLimits.word),
                .optional(.text("file", WireLimits.name)),
            ]
        ) { random in
            WithdrawPeer(
                peer: (try? HostName(random.plain(64))) ?? host, keys: random.names(),
                host: random.plain(60), file: random.flag() ? random.text(99) : nil)
        }
    }
}

extension Seeded {
    mutating func names() -> [String] { (0..<below(5)).map { _ in text(300) } }
}
