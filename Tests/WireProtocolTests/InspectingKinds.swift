import MigrationModel
import TestSupport
import WireProtocol

extension MessageKind {
    /// Questions before a move, and their answer.
    static let inspecting: [MessageKind] = {
        guard case .success(let name) = MachineField.name,
            case .success(let host) = MachineField.host
        else { fatalError("plain names") }
        return [
            MessageKind(
                InspectOutgoing(name: name, peer: host, path: .relay, keys: nil),
                [
                    Layout.vmName, .text("peer", 64),
                    .fixed("path", 1, note: "1 direct, 2 relay"),
                    .optional(.text("keys", WireLimits.name)),
                ]
            ) { random in
                InspectOutgoing(
                    name: (try? VMName(random.plain(64))) ?? name,
                    peer: (try? HostName(random.plain(64))) ?? host,
                    path: random.flag() ? .direct : .relay,
                    keys: random.flag() ? random.text(99) : nil)
            },
            MessageKind(
                InspectIncoming(
                    definition: "<domain/>", source: host, isRunning: true, path: .direct,
                    keys: "/etc/keys", networks: sampleNetworks, usesAllNetworks: false),
                [
                    .text("definition", WireLimits.definition), .text("source", 64),
                    .fixed("running", 1, note: "flag"),
                    .fixed("path", 1, note: "1 direct, 2 relay"),
                    .optional(.text("keys", WireLimits.name)), Layout.bridges,
                    .fixed("all bridges", 1, note: "flag"),
                ]
            ) { random in
                InspectIncoming(
                    definition: random.text(5000),
                    source: (try? HostName(random.plain(64))) ?? host, isRunning: random.flag(),
                    path: random.flag() ? .direct : .relay,
                    keys: random.flag() ? random.text(99) : nil, networks: random.networks(),
                    usesAllNetworks: random.flag())
            },
            MessageKind(
                Inspection(
                    [
                        Finding(
                            .warning(.fence), "its lock is not seen", at: "disk vda",
                            source: "locked", destination: "free",
                            fix: "mount one file system on both hosts")
                    ],
                    images: [
                        ImageFacts(
                            target: "vda", path: "/srv/web1", size: 1 << 30, inode: 4711,
                            reach: .shared, isReadOnly: true)
                    ], bridges: [BridgeFacts(name: "br0", mtu: 9000, vlan: 7), nil]),
                [
                    .list("findings", WireLimits.findings, Layout.finding),
                    .list(
                        "images", WireLimits.items,
                        [
                            .text("target", WireLimits.name), .text("path", WireLimits.name),
                            .fixed("size", 8, note: "bytes"), .fixed("inode", 8),
                            .fixed("reach", 1, note: "0 unknown, 1 local, 2 shared"),
                            .fixed("read-only", 1, note: "flag"),
                        ]),
                    .list(
                        "bridges", WireLimits.bridges,
                        [
                            .optional(
                                .group(
                                    "bridge",
                                    [
                                        .text("name", NetworkMap.nameLimit), .fixed("MTU", 4),
                                        .fixed("up", 1, note: "flag"),
                                        .optional(.fixed("VLAN", 2)),
                                        .fixed("spanning tree", 1, note: "flag"),
                                        .fixed("forward delay", 8, note: "ns, signed"),
                                    ]))
                        ]),
                ]
            ) { random in
                Inspection(
                    (0..<random.below(9)).map { _ in random.finding() },
                    images: (0..<random.below(4)).map { _ in
                        ImageFacts(
                            target: random.plain(8), path: random.text(99), size: random.next(),
                            inode: random.next(), reach: random.flag() ? .local : .unknown,
                            isReadOnly: random.flag())
                    },
                    bridges: (0..<random.below(5)).map { _ in
                        random.flag()
                            ? nil
                            : BridgeFacts(
                                name: random.text(15),
                                mtu: UInt32(truncatingIfNeeded: random.next()),
                                isUp: random.flag(),
                                vlan: random.flag() ? nil : UInt16(random.below(4096)),
                                usesSpanningTree: random.flag(),
                                forwardDelay: random.nanoseconds())
                    })
            },
            MessageKind(
                RunDrainHook(
                    .after(LivemigError(.notEmpty, "2 VMs run", at: "alpha", fix: "move them")),
                    of: host),
                [
                    .fixed("after", 1, note: "flag"), .text("host", 64),
                    .optional(.group("failure", Layout.error)),
                ]
            ) { random in
                let stages: [RunDrainHook.Stage] = [
                    .before, .after(nil), .after(random.error(withGuest: false)),
                ]
                return RunDrainHook(
                    stages[random.below(3)], of: (try? HostName(random.plain(64))) ?? host)
            },
            MessageKind(
                NoteMessage(
                    Finding(.warning(.hook), "the hook post-move ended with status 1", at: "alpha")),
                Layout.finding
            ) { random in NoteMessage(random.finding()) },
        ]
    }()
}
