import MigrationModel
import Testing

@testable import Preflight

@Suite("Rules of a host's examination")
struct HostRulesTests {
    // Broken by: a release that is read as another, or ordered by its text.
    @Test func releases() throws {
        let names = ["QEMU 7.2.22 (Debian)", "8.1", "10.0.2", "x", "7"]
        let releases = names.map { HostRules.Release(in: $0)?.description }
        #expect(releases == ["7.2.22", "8.1.0", "10.0.2", nil, nil])
        #expect(HostRules.Release(9, 2, 0) < HostRules.Release(10, 0, 0))
    }

    // Broken by: a bad release that passes for a good one, or the other way round.
    @Test(
        "QEMU",
        arguments: [
            (HostRules.Release(7, 2, 0), Diagnosis.State.warning),
            (HostRules.Release(7, 2, 22), .warning), (HostRules.Release(8, 0, 0), .ok),
            (HostRules.Release(7, 1, 9), .ok), (HostRules.Release(10, 0, 2), .ok),
        ])
    func qemu(release: HostRules.Release, state: Diagnosis.State) {
        let item = HostRules.qemu(release, at: "/usr/bin/qemu")
        #expect(item.state == state)
        #expect(item.fix.isEmpty == (state == .ok))
        #expect(item.what.contains("QEMU \(release)"))
    }

    // Broken by: a library with open holes that passes, or a fixed one that does not.
    @Test(
        "libssh",
        arguments: [
            ("0.10.6", "", .warning), ("0.10.6", "0.10.6-0+deb12u2", .warning),
            ("0.10.6", "0.10.6-0+deb12u3", .ok), ("0.10.6", "0.10.6-0+deb12u10", .ok),
            ("0.11.4", "", .warning), ("0.11.5", "", .ok), ("0.11.9", "", .ok),
            ("0.12.1", "", .warning), ("0.12.2", "", .ok), ("0.13.0", "", .ok),
            ("1.0.0", "", .ok), ("unknown", "", .warning),
        ] as [(String, String, Diagnosis.State)])
    func libssh(release: String, package: String, state: Diagnosis.State) {
        #expect(HostRules.libssh(release, package: package).state == state)
    }

    // Broken by: room that is counted twice, below zero, or without what is promised.
    @Test(
        "memory, in GiB of 100",
        arguments: [
            (50, 5, 0, .ok, "45 GiB for"), (50, 5, 44, .warning, "1.0 GiB for"),
            (50, 5, 45, .error, "0 B for"), (4, 5, 0, .error, "0 B for"),
            (9, 5, 0, .warning, "4.0 GiB for"), (50, 5, .max >> 30, .error, "0 B for"),
        ] as [(UInt64, UInt64, UInt64, Diagnosis.State, String)])
    func memory(
        available: UInt64, reserve: UInt64, promised: UInt64, state: Diagnosis.State, words: String
    ) {
        let item = HostRules.memory(
            total: ByteCount(100 << 30), available: ByteCount(available << 30),
            reserve: ByteCount(reserve << 30), promised: ByteCount(promised << 30))
        #expect(item.state == state)
        #expect(item.what.hasPrefix(words), "\(item.what)")
        #expect(item.fix.isEmpty == (state == .ok))
    }

    // Broken by: a full disk that passes.
    @Test(
        "space",
        arguments: [(1, .error), (4, .warning), (255, .warning), (256, .ok)]
            as [(UInt64, Diagnosis.State)])
    func space(mebibytes: UInt64, state: Diagnosis.State) {
        #expect(HostRules.space(.mebibytes(mebibytes), at: "/r").state == state)
    }

    // Broken by: a setting of the kernel that is not understood, or one that another goes before.
    @Test(
        "settings of huge pages",
        arguments: [
            ("always within_size advise [never] deny force\n", "", .never),
            ("[always] within_size advise never deny force\n", "", .always),
            ("always [within_size] never", "always [inherit] never", .withinSize),
            ("always advise [never] deny force", "[always] inherit within_size never", .always),
            ("always advise never [deny] force", "[always] inherit within_size never", .deny),
            ("always advise never deny [force]", "always inherit [never]", .force),
            ("", "", .unknown), ("[sometimes]", "", .unknown),
        ] as [(String, String, HugePages.Sharing)])
    func settings(all: String, size: String, sharing: HugePages.Sharing) {
        #expect(HugePages.Sharing(settings: all, ofSize: size) == sharing)
    }

    // Broken by: memory that is set aside, or a setting that makes moves longer, that nobody is told
    // of; or a warning where there is neither.
    @Test(
        "huge pages",
        arguments: [
            (0, .never, .ok, "no memory"), (0, .unknown, .ok, "no memory"),
            (
                8192, .never, .warning,
                "8.0 GiB of 64 GiB is set aside for them, 4.0 GiB of it unused"
            ),
            (0, .always, .warning, "memory of guests may be in them (shmem_enabled always)"),
            (0, .advise, .warning, "memory of guests in QEMU may be in them"),
            (8192, .force, .warning, "guests do not use it; memory of guests may"),
        ] as [(UInt64, HugePages.Sharing, Diagnosis.State, String)])
    func hugePages(
        pool: UInt64, sharing: HugePages.Sharing, state: Diagnosis.State, words: String
    ) {
        let item = HostRules.hugePages(
            HugePages(pool: .mebibytes(pool), free: .mebibytes(pool / 2), sharing: sharing),
            total: .mebibytes(65536))
        #expect(item.state == state)
        #expect(item.what.contains(words), "\(item.what)")
        #expect(item.fix.isEmpty == (state == .ok))
    }

    // Broken by: a difference that is taken for its opposite, or not seen.
    @Test(
        "clocks",
        arguments: [
            (0, .ok, "within"), (2000, .ok, "within"), (2001, .warning, "ahead of"),
            (-2001, .warning, "behind"), (-60_000, .warning, "behind"),
        ] as [(Int, Diagnosis.State, String)])
    func clock(milliseconds: Int, state: Diagnosis.State, word: String) {
        let item = HostRules.clock(ClockReading(offset: .milliseconds(milliseconds)))
        #expect(item.state == state)
        #expect(item.what.contains(word))
    }

    // Broken by: a host whose guests have it once they break out, and that is said to be well.
    @Test func confinement() throws {
        func state(
            _ policy: HostPolicy, sandbox: Bool = true, root: Bool = true
        ) -> Diagnosis.State {
            HostRules.confinement(policy, hasSandbox: sandbox, isRoot: root).state
        }
        var policy = HostPolicy()
        #expect(state(policy) == .warning)
        #expect(state(policy, root: false) == .ok)
        #expect(state(policy, sandbox: false) == .error)
        policy.hypervisorUsers = try HypervisorUserRange(2000, 3000)
        #expect(state(policy) == .ok)
        policy.userNetworking = .open
        #expect(state(policy) == .warning)
        policy = HostPolicy()
        policy.hypervisorUser = "nobody"
        #expect(state(policy) == .ok)
        policy.requiresSandbox = false
        #expect(state(policy) == .ok)
        #expect(state(policy, sandbox: false) == .warning)
    }

    // Broken by: a host that takes no guests and is said to be well.
    @Test func policy() {
        var policy = HostPolicy()
        #expect(HostRules.policy(policy).state == .ok)
        policy.isLiveMigrationEnabled = false
        #expect(HostRules.policy(policy).what == "live migration is disabled")
        policy.maintenance.isCordoned = true
        #expect(HostRules.policy(policy).what.hasPrefix("cordoned"))
        #expect(HostRules.policy(policy).state == .warning)
    }

    // Broken by: columns that do not line up, or a text of a host that reaches the terminal.
    @Test func lines() {
        let items = [
            Diagnosis("kernel", .ok, "Linux 6.18"),
            Diagnosis("kvm", .warning, "no \u{1B}[2J", fix: "load it"),
        ]
        #expect(
            items.lines == [
                "ok       kernel  Linux 6.18", "warning  kvm     no \\u{1b}[2J",
                "                 → load it",
            ])
    }
}
