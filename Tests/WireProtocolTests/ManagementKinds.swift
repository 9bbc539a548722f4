import MigrationModel
import TestSupport
import WireProtocol

extension MessageKind {
    static let sampleUUID = VMUUID(
        Bits128(high: 0x1122_3344_5566_4788, low: 0x99AA_BBCC_DDEE_FF00))
    static let sampleMachine = MachineSummary(
        name: "web1", uuid: sampleUUID, kind: .qemu, state: .running, memory: ByteCount(1 << 30),
        vcpus: 2, policy: sampleGuestPolicy, right: .owner(Epoch(7), nil))
    static let sampleError: LivemigError = {
        let guest = GuestLocation(vm: "web1", state: .running, host: "alpha", epoch: Epoch(7))
        return LivemigError(
            .blackout, "no READY within 5.0 s", at: "beta", fix: "check the link", guest: guest,
            fullSlots: .incoming)
    }()

    static let consoleName: VMName = {
        guard case .success(let name) = MachineField.name else { fatalError("a plain name") }
        return name
    }()

    static let sampleDamage: DamagedMachine = {
        guard case .success(let name) = MachineField.name else { fatalError("a plain name") }
        return DamagedMachine(
            name: name, uuid: sampleUUID,
            error: LivemigError(
                .journalCorrupt, "neither slot is valid", at: "/r/vms/web1/ownership", fix: "look"))
    }()

    /// Requests about hosts and VMs, and their answers.
    static let management: [MessageKind] = [
        MessageKind(FailureMessage(sampleError), Layout.failure) { FailureMessage($0.error()) },
        MessageKind(empty: DoneMessage.self), MessageKind(empty: DescribeHost.self),
        MessageKind(empty: ListMachines.self),
        MessageKind(
            DefineMachine(definition: "<domain/>", isAsked: true, known: Epoch(6)),
            [
                .text("definition", WireLimits.definition), .fixed("asked", 1, note: "flag"),
                .optional(.fixed("known", 8, note: "epoch")),
            ]
        ) { random in
            DefineMachine(
                definition: random.text(5000), isAsked: random.flag(),
                known: random.flag() ? Epoch(random.next()) : nil)
        },
        request(StopMachine.self), request(RemoveMachine.self),
        request(ShowMachine.self), request(ShowRecord.self),
        request(CancelMachine.self), request(SaveMachine.self), request(DiscardSaved.self),
        MessageKind(
            Storing(done: 1 << 20, total: 4 << 30),
            [.fixed("done", 8, note: "bytes"), .fixed("total", 8, note: "bytes")]
        ) { Storing(done: $0.next(), total: $0.next()) },
        starting, recovery, findingClaims, claims,
        MessageKind(
            RecordMessage(sampleRecord, state: .paused),
            [.optional(Layout.record), .text("state", WireLimits.name)]
        ) { random in
            RecordMessage(
                random.flag() ? random.record() : nil,
                state: GuestLocation.State.allCases[random.below(6)])
        },
        MessageKind(
            AttachConsole(name: consoleName, access: .type),
            [Layout.vmName, .fixed("access", 1, note: "watch 1, type 2, take over 3")]
        ) { random in
            AttachConsole(name: consoleName, access: ConsoleAccess.allCases[random.below(3)])
        },
        MessageKind(
            ConsoleOpened(canType: true, others: 1),
            [.fixed("can type", 1), .fixed("others", 4)]
        ) { ConsoleOpened(canType: $0.flag(), others: UInt32($0.below(99))) },
        MessageKind(
            ConsoleEnded(.moved(to: "beta")),
            [
                .fixed("ending", 1, note: "off 1, saved 2, moved 3, lost 4"),
                .text("host", WireLimits.name),
            ]
        ) { ConsoleEnded(.moved(to: $0.text(60))) },
        MessageKind(ConsoleInput(bytes: [13]), [.text("bytes", WireLimits.consoleChunk)]) {
            ConsoleInput(bytes: $0.bytes($0.below(3000)))
        },
        MessageKind(
            ConsoleOutput(bytes: Array("login: ".utf8)), [.text("bytes", WireLimits.consoleChunk)]
        ) { ConsoleOutput(bytes: $0.bytes($0.below(3000))) },
        MessageKind(empty: CreateKey.self),
        MessageKind(
            HostFactsMessage(
                HostFacts(
                    identity: "id",
                    installation: .init(machineID: "m", boot: "b", device: 3, inode: 4),
                    kernel: "6.18.0", agentVersion: "0.1.0", architecture: "x86_64",
                    processors: 8, memoryTotal: ByteCount(8 << 30),
                    memoryAvailable: ByteCount(4 << 30),
                    hugePages: HugePages(
                        pool: ByteCount(1 << 30), free: ByteCount(1 << 29), sharing: .never),
                    tracking: "async", canTrack: true,
                    hypervisor: "10.0.2", hasKVM: false,
                    cpu: .init(vendor: "GenuineIntel", model: "Xeon", features: ["avx2", "sse2"]),
                    clock: 1_800_000_000_000, laneKeys: ["SHA256:abc"])), facts
        ) { random in
            HostFactsMessage(
                HostFacts(
                    identity: random.text(99),
                    installation: .init(
                        machineID: random.text(33), boot: random.text(36),
                        device: random.next(), inode: random.next()), kernel: random.text(9),
                    agentVersion: "",
                    architecture: random.text(9), processors: random.below(1 << 32),
                    memoryTotal: ByteCount(random.next()),
                    memoryAvailable: ByteCount(random.next()),
                    hugePages: HugePages(
                        pool: ByteCount(random.next()), free: ByteCount(random.next()),
                        sharing: HugePages.Sharing.allCases[random.below(7)]),
                    tracking: random.text(999), canTrack: random.flag(),
                    hypervisor: random.text(99), hasKVM: random.flag(),
                    cpu: .init(
                        vendor: random.text(99), model: random.text(99),
                        features: Set((0..<random.below(40)).map { _ in random.plain(60) })),
                    clock: random.next(), laneKeys: random.names()))
        },
        MessageKind(empty: ExamineHost.self),
        MessageKind(
            Examination([Diagnosis("kvm", .warning, "no /dev/kvm", fix: "load the module")]),
            [
                .list(
                    "items", WireLimits.findings,
                    [
                        .text("id", WireLimits.word),
                        .fixed("state", 1, note: "1 ok, 2 warning, 3 error"),
                        .text("what", WireLimits.sentence), .text("fix", WireLimits.sentence),
                    ])
            ]
        ) { random in
            Examination(
                (0..<random.below(20)).map { _ in
                    Diagnosis(
                        random.plain(60), Diagnosis.State.allCases[random.below(3)],
                        random.text(300), fix: random.text(300))
                })
        },
        MessageKind(
            MachineListMessage(MachineList([sampleMachine], damaged: [sampleDamage])),
            [
                .list("machines", WireLimits.machines, Layout.machine),
                .list("damaged", WireLimits.damaged, Layout.damaged),
            ]
        ) { random in
            MachineListMessage(
                MachineList(
                    (0..<random.below(40)).map { _ in random.machine() },
                    damaged: (0..<random.below(9)).map { _ in random.damaged() }))
        },
        MessageKind(
            MachineMessage(sampleMachine, definition: "<domain/>"),
            Layout.machine + [.text("definition", WireLimits.definition)]
        ) { MachineMessage($0.machine(), definition: $0.text(5000)) },
    ]

    private static let facts: [Layout] = [
        .text("identity", WireLimits.name), .text("machine id", WireLimits.name),
        .text("boot", WireLimits.name), .fixed("root's device", 8), .fixed("root's inode", 8),
        .text("kernel", WireLimits.name),
        .text("agent version", WireLimits.name), .text("architecture", WireLimits.name),
        .fixed("processors", 4), .fixed("memory total", 8, note: "bytes"),
        .fixed("memory available", 8, note: "bytes"),
        .fixed("huge page pool", 8, note: "bytes"),
        .fixed("huge page pool free", 8, note: "bytes"),
        .text("shared huge pages", WireLimits.word), .text("tracking", WireLimits.name),
        .fixed("can track", 1, note: "flag"), .text("hypervisor", WireLimits.name),
        .fixed("has KVM", 1, note: "flag"), .text("vendor", WireLimits.name),
        .text("model", WireLimits.name),
        .list("features", WireLimits.features, [.text("feature", WireLimits.word)]),
        .fixed("clock", 8, note: "ms since 1970"),
        .list("lane keys", WireLimits.items, [.text("key", WireLimits.name)]),
    ]

    private static func request<Request: MachineRequest & Equatable>(
        _: Request.Type
    ) -> MessageKind {
        guard case .success(let name) = MachineField.name else { fatalError("a plain name") }
        return MessageKind(Request(name: name), [Layout.vmName]) { random in
            Request(name: (try? VMName(random.plain(64))) ?? name)
        }
    }

    static let sampleRecord = OwnershipRecord(
        uuid: sampleUUID,
        right: .released(
            Attempt(
                migration: MigrationID(Bits128(high: 0x0102_0304_0506_0708, low: 9)),
                epoch: Epoch(8)), digest: Bits128(high: 0xAABB, low: 0xCCDD)), peer: "beta",
        time: 1_700_000_000)

    private static var recovery: MessageKind {
        guard case .success(let name) = MachineField.name, let attempt = sampleRecord.right.attempt
        else { fatalError("a plain name") }
        return MessageKind(
            RecoverMachine(
                name: name, uuid: sampleUUID,
                step: .token(attempt, digest: Bits128(high: 0xAABB, low: 0xCCDD))),
            [
                Layout.vmName, .fixed("uuid", 16),
                .fixed(
                    "step", 1,
                    note: "settle 0, discard 1, token 2, reclaim 3, finish 4, freeze 5, seize 6, "
                        + "overrule 7"),
                .fixed("migration", 16), .fixed("epoch", 8), .fixed("digest", 16),
                .text("fenced", WireLimits.name),
            ]
        ) { random in
            RecoverMachine(
                name: (try? VMName(random.plain(64))) ?? name, uuid: VMUUID(random.bits()),
                step: random.step())
        }
    }
}
