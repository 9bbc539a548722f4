import MigrationModel
import Testing

@testable import Preflight

@Suite("Preflight")
struct PreflightTests {
    /// Two hosts and a VM that can be moved between them; each case changes one thing.
    struct Pair {
        var machine = MachineSummary(
            name: "web1", uuid: VMUUID(Bits128(high: 1, low: 1)), kind: .kvm, state: .running,
            memory: .mebibytes(4096), vcpus: 2, right: .owner(Epoch(3), nil))
        var source = Pair.facts("a")
        var destination = Pair.facts("b")
        var others: [MachineSummary] = []
        var damaged: [DamagedMachine] = []
        var offsets: (Duration?, Duration?) = (.zero, .zero)
        var uncertainty = Duration.zero
        var keepsPaused = false

        /// Another VM that runs on the destination.
        static func neighbour(apartFrom rule: PlacementRules.AntiAffinity) -> MachineSummary {
            MachineSummary(
                name: "web9", uuid: VMUUID(Bits128(high: 9, low: 9)), kind: .kvm, state: .running,
                memory: .mebibytes(64), vcpus: 1,
                policy: GuestPolicy(placement: PlacementRules(antiAffinity: rule)),
                right: .owner(Epoch(1), nil))
        }

        static func facts(_ identity: String) -> HostFacts {
            HostFacts(
                identity: identity, kernel: "6.18.0", agentVersion: "1.0", architecture: "x86_64",
                processors: 8, memoryTotal: .mebibytes(65536), memoryAvailable: .mebibytes(32768),
                tracking: "WP_ASYNC", canTrack: true, hypervisor: "QEMU 10.0.2", hasKVM: true,
                cpu: .init(vendor: "GenuineIntel", model: "Xeon A", features: ["avx2", "sse2"]),
                clock: 0)
        }

        /// The same VM on the destination, which gave it away.
        func visitor(_ state: GuestLocation.State) -> MachineSummary {
            var visitor = machine
            visitor.state = state
            visitor.right = .gone(Attempt(migration: .init(.zero), epoch: Epoch(3)))
            return visitor
        }

        private func clock(_ offset: Duration?) -> ClockReading? {
            offset.map { ClockReading(offset: $0, uncertainty: uncertainty) }
        }

        var findings: [Finding] {
            get throws {
                Preflight(
                    moving: machine,
                    from: PreflightSide(
                        name: try HostName("alpha"), facts: source, MachineList([machine]),
                        clock: clock(offsets.0)),
                    to: PreflightSide(
                        name: try HostName("beta"), facts: destination,
                        MachineList(others, damaged: damaged), clock: clock(offsets.1)),
                    keepsPaused: keepsPaused
                ).findings
            }
        }
    }

    /// One thing that is wrong, and what must be found.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let ids: [String]
        let change: @Sendable (inout Pair) -> Void

        init(_ name: String, _ ids: String..., change: @escaping @Sendable (inout Pair) -> Void) {
            testDescription = name
            self.ids = ids
            self.change = change
        }
    }

    static let cases: [Case] = [
        Case("nothing") { _ in },
        Case("one host twice", "E-SAMEHOST") { $0.destination.identity = "a" },
        Case("a copy of a root on another host", "E-SAMEHOST") {
            $0.destination.identity = "a"
            $0.destination.installation.boot = "other"
        },
        Case("a copy of a root beside it", "E-SAMEHOST") {
            $0.destination.identity = "a"
            $0.destination.installation.inode = 7
        },
        Case("a cloned machine-id", "W-IDENTITY") {
            $0.source.installation = .init(machineID: "m", boot: "one")
            $0.destination.installation = .init(machineID: "m", boot: "two")
        },
        Case("two roots of one system") {
            $0.source.installation = .init(machineID: "m", boot: "one", inode: 1)
            $0.destination.installation = .init(machineID: "m", boot: "one", inode: 2)
        },
        Case("systems without a machine-id") {
            $0.source.installation = .init(boot: "one")
            $0.destination.installation = .init(boot: "two")
        },
        Case("a host that its policy forbids", "W-POLICY") {
            $0.machine.policy.placement.forbidden = [try? HostName("beta")].reduce(into: []) {
                if let host = $1 { $0.insert(host) }
            }
        },
        Case("guests that must be apart, by the other's word", "W-POLICY") {
            $0.machine.policy.placement.antiAffinity = .init("db")
            $0.others = [Pair.neighbour(apartFrom: .init("db", isHard: true))]
        },
        Case("guests that should be apart") {
            $0.machine.policy.placement.antiAffinity = .init("db")
            $0.others = [Pair.neighbour(apartFrom: .init("db"))]
        },
        Case("guests that must be apart from others") {
            $0.machine.policy.placement.antiAffinity = .init("db", isHard: true)
            $0.others = [Pair.neighbour(apartFrom: .init("web", isHard: true))]
        },
        Case("under way", "E-BUSY") {
            $0.machine.right = .intent(Attempt(migration: .init(.zero), epoch: Epoch(4)))
        },
        Case("paused", "E-PAUSED") { $0.machine.state = .paused },
        Case("paused, to stay so") {
            $0.machine.state = .paused
            $0.keepsPaused = true
        },
        Case("off", "E-NOTRUNNING") { $0.machine.state = .stopped },
        Case("in transfer", "E-INTRANSFER") { $0.machine.state = .inTransfer },
        Case("unknown", "E-VMSTATE") { $0.machine.state = .unknown },
        Case("a twin there", "E-DUPVM") { $0.others = [$0.machine] },
        Case("what an earlier visit left there") { $0.others = [$0.visitor(.stopped)] },
        Case("an earlier visit that has not ended there", "E-DUPVM") {
            $0.others = [$0.visitor(.paused)]
        },
        Case("a damaged twin there", "E-XML") { $0.damaged = damage("web1", $0.machine.uuid) },
        Case("a damaged VM of that name there", "E-XML") { $0.damaged = damage("web1", nil) },
        Case("a damaged VM of that UUID there", "E-XML") {
            $0.damaged = damage("web2", $0.machine.uuid)
        },
        Case("another damaged VM there") { $0.damaged = damage("web2", nil) },
        Case("memory in huge pages", "W-HUGEPAGES") { $0.source.hugePages.sharing = .advise },
        Case("memory in huge pages there") { $0.destination.hugePages.sharing = .always },
        Case("a guest that does not ask for huge pages") {
            $0.machine.kind = .synthetic
            $0.source.hugePages.sharing = .advise
        },
        Case("an old kernel", "E-KERNEL") { $0.source.canTrack = false },
        Case("an old kernel on the destination") { $0.destination.canTrack = false },
        Case("the last epoch", "E-INTERNAL") { $0.machine.right = .owner(Epoch(.max), nil) },
        Case("no memory", "E-NOMEM") { $0.destination.memoryAvailable = .mebibytes(4095) },
        Case("little memory", "W-MEMORY") { $0.destination.memoryAvailable = .mebibytes(4196) },
        Case("another architecture", "E-CPU") { $0.destination.architecture = "aarch64" },
        Case("another maker", "E-CPU") { $0.destination.cpu.vendor = "AuthenticAMD" },
        Case("a feature less", "E-CPU") { $0.destination.cpu.features = ["sse2"] },
        Case("a feature more") { $0.destination.cpu.features.insert("avx512f") },
        Case("a feature less, by host model", "E-CPU") {
            $0.machine.cpuModel = "host"
            $0.destination.cpu.features = ["sse2"]
        },
        Case("a feature less, by named model", "W-CPU") {
            $0.machine.cpuModel = "Skylake-Server"
            $0.destination.cpu.features = ["sse2"]
        },
        Case("a feature less, without KVM") {
            $0.machine.kind = .qemu
            $0.destination.cpu = .init(vendor: "AuthenticAMD")
        },
        Case("another QEMU", "W-VERSION") { $0.destination.hypervisor = "QEMU 7.2.22" },
        Case("another QEMU, without KVM", "W-CPU", "W-VERSION") {
            $0.machine.kind = .qemu
            $0.destination.hypervisor = "QEMU 7.2.22"
        },
        Case("another QEMU, without KVM, by named model", "W-VERSION") {
            $0.machine.kind = .qemu
            $0.machine.cpuModel = "qemu64"
            $0.destination.hypervisor = "QEMU 7.2.22"
        },
        Case("another QEMU, which the guest does not use") {
            $0.machine.kind = .synthetic
            $0.destination.hypervisor = "QEMU 7.2.22"
        },
        Case("another agent", "W-VERSION") { $0.destination.agentVersion = "1.1" },
        Case("a clock behind", "W-CLOCK") { $0.offsets = (.seconds(1), .seconds(-2)) },
        Case("a clock a little behind") { $0.offsets = (.seconds(1), .seconds(-1)) },
        Case("a clock that slow answers leave open") {
            $0.offsets = (.seconds(1), .seconds(-2))
            $0.uncertainty = .milliseconds(600)
        },
        Case("a clock that is off in spite of slow answers", "W-CLOCK") {
            $0.offsets = (.seconds(1), .seconds(-3))
            $0.uncertainty = .milliseconds(600)
        },
        Case("a clock that nobody has seen") { $0.offsets = (nil, .seconds(-100)) },
        Case("several at once", "E-NOTRUNNING", "E-KERNEL", "E-NOMEM") {
            $0.machine.state = .stopped
            $0.source.canTrack = false
            $0.destination.memoryAvailable = .mebibytes(1)
        },
    ]

    private static func damage(_ name: String, _ uuid: VMUUID?) -> [DamagedMachine] {
        guard let name = try? VMName(name) else { return [] }
        return [DamagedMachine(name: name, uuid: uuid, error: LivemigError(.xml, "not XML"))]
    }

    // Breaks when a lack of memory is not explained by what is set aside, or is where nothing is.
    @Test("what is set aside for huge pages explains a lack of memory")
    func hugePages() throws {
        var pair = Pair()
        pair.destination.memoryAvailable = .mebibytes(1024)
        #expect(try pair.findings.map(\.message) == ["needs 4.0 GiB, free 1.0 GiB"])
        pair.destination.hugePages.pool = .mebibytes(32768)
        let finding = try #require(try pair.findings.first)
        #expect(
            finding.message
                == "needs 4.0 GiB, free 1.0 GiB, 32 GiB of 64 GiB is set aside for huge "
                + "pages, which guests do not use")
        #expect(finding.fix.hasSuffix(", or lower vm.nr_hugepages there"))
        pair.destination.memoryAvailable = .mebibytes(4196)
        #expect(try pair.findings.first?.message.contains("set aside") == true)
    }

    // Breaks when what the source alone answers for is left out where nobody else can be asked.
    @Test("the source's rules stand alone")
    func sourceAlone() throws {
        var pair = Pair()
        pair.machine.state = .paused
        pair.source.canTrack = false
        pair.source.hugePages.sharing = .always
        let rules = SourceRules(
            machine: pair.machine,
            source: PreflightSide(
                name: try HostName("alpha"), facts: pair.source, MachineList([pair.machine])),
            keepsPaused: false)
        #expect(rules.findings.map(\.id) == ["E-PAUSED", "E-KERNEL", "W-HUGEPAGES"])
    }

    // Breaks when a move is let begin that cannot end well, when one is refused that can, or when
    // one finding hides another.
    @Test("each thing that is wrong is found, and nothing else", arguments: cases)
    func findings(_ test: Case) throws {
        var pair = Pair()
        test.change(&pair)
        #expect(try pair.findings.map(\.id) == test.ids)
    }

    // Breaks when a finding does not say what each side has, or drowns it in names.
    @Test("missing features are named, with both processors")
    func features() throws {
        var pair = Pair()
        pair.source.cpu.features = Set((1...11).map { "f\($0 + 10)" })
        pair.destination.cpu.model = "Xeon B"
        pair.destination.cpu.features = []
        let finding = try #require(try pair.findings.first)
        #expect(
            finding.message
                == "beta's processor lacks f11 f12 f13 f14 f15 f16 f17 f18 and 3 more")
        #expect(finding.source == "Xeon A")
        #expect(finding.destination == "Xeon B")
        #expect(!finding.fix.isEmpty)
    }

    // Breaks when the direction of a difference is turned round.
    @Test(
        "a clock's difference has its direction",
        arguments: [
            (Duration.seconds(60), "beta's clock is 60.0 s ahead of alpha's"),
            (.seconds(-60), "beta's clock is 60.0 s behind alpha's"),
        ])
    func clocks(offset: Duration, message: String) throws {
        var pair = Pair()
        pair.offsets = (.zero, offset)
        #expect(try pair.findings.map(\.message) == [message])
    }
}

@Suite("Compatibility reports")
struct CompatibilityReportTests {
    // Breaks when a warning stands before an error, or counts as one.
    @Test("errors come first, and they alone decide")
    func order() throws {
        let warning = Finding(.warning(.clock), "late")
        let error = Finding(.error(.memory), "full", at: "beta", fix: "free some")
        let (alpha, beta) = (try HostName("alpha"), try HostName("beta"))
        let report = CompatibilityReport(
            vm: "web1", source: alpha, destination: beta, findings: [warning, error])
        #expect(report.findings == [error, warning])
        #expect(!report.isCompatible)
        #expect(report.errors == [LivemigError(.memory, "full", at: "beta", fix: "free some")])
        let fine = CompatibilityReport(
            vm: "web1", source: alpha, destination: beta, findings: [warning])
        #expect(fine.isCompatible)
    }

    // Breaks when a destination that cannot be asked is not told first, or does not decide how the
    // command ends.
    @Test("a destination that cannot be asked is a finding and the exit code")
    func unreached() throws {
        let (alpha, beta) = (try HostName("alpha"), try HostName("beta"))
        let paused = Finding(.error(.paused), "paused")
        let report = CompatibilityReport(
            vm: "web1", source: alpha, destination: beta, findings: [paused],
            unreached: LivemigError(.connect, "refused", at: "beta", fix: "start sshd"))
        #expect(report.findings.map(\.id) == ["E-CONNECT", "E-PAUSED"])
        #expect(report.findings.first?.place == "beta")
        #expect(report.exitCode == .failedOnSource)
        #expect(!report.isCompatible)
        let others = CompatibilityReport(
            vm: "web1", source: alpha, destination: beta, findings: [paused])
        #expect(others.exitCode == .refused)
    }

    // Breaks when an identifier is printed that is not read back.
    @Test("identifiers are read as they are written")
    func identifiers() {
        for code in ErrorCode.allCases {
            #expect(Finding.Kind(id: code.rawValue) == .error(code))
        }
        for warning in Finding.Warning.allCases {
            #expect(Finding.Kind(id: warning.rawValue) == .warning(warning))
        }
        #expect(Finding.Kind(id: "X-NOTHING") == nil)
    }
}
