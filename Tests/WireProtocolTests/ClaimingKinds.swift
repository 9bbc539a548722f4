import MigrationModel
import TestSupport
import WireProtocol

/// Starting a VM, and what is asked of hosts before.
extension MessageKind {
    private static var sampleName: VMName {
        guard case .success(let name) = MachineField.name else { fatalError("a plain name") }
        return name
    }

    static var starting: MessageKind {
        MessageKind(
            StartMachine(name: sampleName, uuid: sampleUUID),
            [Layout.vmName, .optional(.fixed("uuid", 16))]
        ) { random in
            StartMachine(
                name: (try? VMName(random.plain(64))) ?? sampleName,
                uuid: random.flag() ? VMUUID(random.bits()) : nil)
        }
    }

    static var findingClaims: MessageKind {
        MessageKind(
            FindClaims(
                Claims.Subject(
                    uuid: sampleUUID, name: sampleName, macs: ["52:54:00:12:34:56"],
                    images: ["/images/web1.qcow2"])),
            [
                .fixed("uuid", 16), Layout.vmName,
                .list("macs", WireLimits.devices, [.text("mac", WireLimits.word)]),
                .list("images", WireLimits.devices, [.text("image", WireLimits.name)]),
            ]
        ) { random in
            FindClaims(
                Claims.Subject(
                    uuid: VMUUID(random.bits()),
                    name: (try? VMName(random.plain(64))) ?? sampleName,
                    macs: (0..<random.below(9)).map { _ in random.plain(17) },
                    images: (0..<random.below(9)).map { _ in random.text(99) }))
        }
    }

    static var claims: MessageKind {
        MessageKind(
            ClaimsMessage(
                Claims(
                    remembered: .owner(Epoch(7), nil),
                    machines: [
                        Claims.Machine(
                            name: sampleName, uuid: sampleUUID, right: .owner(Epoch(7), nil),
                            peer: "beta", state: .running, macs: ["52:54:00:12:34:56"],
                            images: ["/images/web1.qcow2"])
                    ], damaged: [sampleDamage])),
            [
                .optional(Layout.right),
                .list(
                    "machines", WireLimits.machines,
                    [
                        Layout.vmName, .fixed("uuid", 16), Layout.right,
                        .text("peer", OwnershipRecord.peerLimit), .text("state", WireLimits.name),
                        .fixed("is defined", 1, note: "flag"),
                        .list("macs", WireLimits.devices, [.text("mac", WireLimits.word)]),
                        .list("images", WireLimits.devices, [.text("image", WireLimits.name)]),
                    ]), .list("damaged", WireLimits.damaged, Layout.damaged),
            ]
        ) { random in
            ClaimsMessage(
                Claims(
                    remembered: random.flag() ? random.right() : nil,
                    machines: (0..<random.below(9)).map { _ in
                        Claims.Machine(
                            name: (try? VMName(random.plain(64))) ?? sampleName,
                            uuid: VMUUID(random.bits()), right: random.right(),
                            peer: random.text(99),
                            state: GuestLocation.State.allCases[random.below(6)],
                            isDefined: random.flag(),
                            macs: (0..<random.below(3)).map { _ in random.plain(17) },
                            images: (0..<random.below(3)).map { _ in random.text(99) })
                    }, damaged: (0..<random.below(9)).map { _ in random.damaged() }))
        }
    }
}
