import ArgumentParser
import MigrationModel
import Testing

@testable import Commands

private func change(_ arguments: String...) throws -> HostPolicyChange {
    try HostPolicyOptions.parse(arguments).change()
}

private func applied(_ policy: HostPolicy, _ arguments: String...) throws -> HostPolicy {
    var policy = policy
    try HostPolicyOptions.parse(arguments).change().apply(to: &policy)
    return policy
}

@Suite("Host settings")
struct HostSettingsTests {
    /// A policy in which nothing is as by default.
    static func settled() throws -> HostPolicy {
        var policy = HostPolicy()
        policy.isLiveMigrationEnabled = false
        policy.liveMoves = 4
        policy.storageMoves = 3
        policy.compression = .lz4
        policy.hypervisorUser = "livemig-qemu"
        policy.requiresSandbox = false
        policy.userNetworking = .refused
        policy.folders.includesDefaults = false
        policy.folders.images = ["/pool"]
        policy.folders.boot = ["/pool/boot"]
        policy.folders.emulators = ["/opt/qemu"]
        policy.memoryReserve = .mebibytes(4096)
        policy.allowsAnyNetwork = false
        policy.add(MigrationNetwork(try Subnet("10.77.0.0/24"), priority: 2, moves: 1))
        policy.peers = [try HostName("beta")]
        return policy
    }

    // Breaks when an option that was not given changes something.
    @Test("no option changes nothing")
    func nothing() throws {
        for policy in [HostPolicy(), try Self.settled()] {
            #expect(try applied(policy) == policy)
        }
    }

    // Breaks when an option changes something else, or is not heard.
    @Test("every option changes its own value")
    func options() throws {
        let made = try applied(
            HostPolicy(), "--disable", "--live-moves", "4", "--storage-moves", "3",
            "--compression", "lz4", "--memory-reserve", "4GiB", "--hypervisor-user", "livemig-qemu",
            "--sandbox", "optional", "--user-network", "refused",
            "--only-networks", "--network", "10.77.0.0/24=2", "--network-moves", "10.77.0.0/24=1",
            "--allow-peer", "beta", "--image-folder", "/pool/", "--boot-folder", "/pool/boot",
            "--emulator", "/opt/qemu", "--only-folders")
        #expect(made == (try Self.settled()))
        let back = try applied(
            made, "--enable", "--live-moves", "2", "--storage-moves", "2", "--compression", "auto",
            "--memory-reserve", "default", "--hypervisor-users", "default", "--any-network",
            "--sandbox", "required", "--user-network", "restricted",
            "--remove-network", "10.77.0.0/24",
            "--all-peers", "--remove-folder", "/pool", "--remove-folder", "/pool/boot",
            "--remove-folder", "/opt/qemu", "--default-folders")
        #expect(back == HostPolicy())
        let none = try applied(HostPolicy(), "--compression", "none", "--memory-reserve", "0B")
        #expect(none.compression == MigrationPolicy.Compression.none)
        #expect(none.memoryReserve == ByteCount(0))
    }

    // Breaks when both kinds of users can be set, one stays behind the other, or a range takes in
    // root or the host's own users.
    @Test("a range of users takes the place of one user")
    func users() throws {
        let range = try applied(Self.settled(), "--hypervisor-users", "200000-265535")
        #expect(range.hypervisorUsers?.description == "200000-265535")
        #expect(range.hypervisorUser == nil)
        let named = try applied(range, "--hypervisor-user", "livemig-qemu")
        #expect(named == (try Self.settled()))
        #expect(try applied(range, "--hypervisor-user", "default").hypervisorUsers == nil)
        let refused = [
            ("0-10", ErrorCode.range), ("999-1000", .range), ("3000-2000", .range),
            ("1000-4294967294", .range), ("1000-9999999999", .range), ("200000", .usage),
            ("-", .usage), ("1-2-3", .usage), ("-1000", .usage), ("a-b", .usage),
        ]
        for (text, code) in refused {
            let error = #expect(throws: LivemigError.self) {
                try applied(HostPolicy(), "--hypervisor-users=\(text)")
            }
            #expect(error?.code == code, "\(text)")
        }
        #expect(throws: (any Error).self) {
            try change("--hypervisor-user", "nobody", "--hypervisor-users", "2000-3000")
        }
    }

    // Breaks when a list loses entries, keeps one twice, or a peer that is replaced by another
    // leaves all allowed for a moment.
    @Test("lists grow and shrink by what is named")
    func lists() throws {
        let policy = try applied(
            Self.settled(), "--network", "10.77.0.0/24=5", "--network", "fd00::/8", "--allow-peer",
            "gamma", "--allow-peer", "alpha", "--allow-peer", "beta")
        #expect(policy.networks.map(\.subnet.description) == ["fd00::/8", "10.77.0.0/24"])
        #expect(policy.networks.map(\.priority) == [1, 5])
        #expect(policy.peers.map(\.text) == ["alpha", "beta", "gamma"])
        let other = try applied(
            Self.settled(), "--remove-peer", "beta", "--allow-peer", "gamma", "--remove-network",
            "10.77.0.0/24", "--network", "::/0")
        #expect(other.peers.map(\.text) == ["gamma"])
        #expect(other.networks.map(\.subnet.description) == ["::/0"])
    }

    // Breaks when a limit is lost with another priority, cannot be taken back, or lands on another
    // network.
    @Test("a network keeps its limit until it gets another")
    func networkMoves() throws {
        let policy = try applied(
            Self.settled(), "--network", "10.77.0.0/24=5", "--network", "fd00::/8",
            "--network-moves", "fd00::/8=255")
        #expect(policy.networks.map(\.moves) == [255, 1])
        let free = try applied(policy, "--network-moves", "10.77.0.0/24=unlimited")
        #expect(free.networks.map(\.moves) == [255, nil])
        for (text, code) in [
            ("10.77.0.0/24=0", ErrorCode.range), ("10.77.0.0/24=256", .range),
            ("10.77.0.0/24=-1", .range), ("10.77.0.0/24=", .range), ("10.77.0.0/24", .usage),
            ("10.77.0.0=1", .usage), ("10.78.0.0/24=1", .usage),
        ] {
            let error = #expect(throws: LivemigError.self) {
                try applied(Self.settled(), "--network-moves", text)
            }
            #expect(error?.code == code, "\(text)")
        }
    }

    // Breaks when the last peer is removed and with it the limit to any.
    @Test("what cannot be removed is refused")
    func removals() throws {
        let policy = try Self.settled()
        let refused = [
            ["--remove-peer", "beta"], ["--remove-peer", "gamma"],
            ["--remove-network", "10.0.0.0/8"],
        ]
        for arguments in refused {
            let change = try HostPolicyOptions.parse(arguments).change()
            var copy = policy
            let error = #expect(throws: LivemigError.self) { try change.apply(to: &copy) }
            #expect(error?.code == .usage)
        }
        var copy = policy
        try change("--remove-network", "10.77.0.0/24").apply(to: &copy)
        #expect(throws: LivemigError.self) { try copy.check() }
    }

    // Breaks when a value is not shown, or a host that refuses looks like one that allows.
    @Test("settings are one fact a line")
    func text() throws {
        var settings = HostSettings(
            policy: HostPolicy(), memoryReserve: .mebibytes(512), outgoing: 0, incoming: 0,
            promised: ByteCount(0), addresses: [])
        #expect(
            HostSettingsText.lines(settings) == [
                "live migration  enabled",
                "live moves      2 each way, 0 leaving and 0 coming now",
                "storage moves   2",
                "memory reserve  512 MiB by default",
                "compression     auto",
                "QEMU runs as    the agent's user",
                "QEMU's sandbox  required",
                "user networks   restricted",
                "image folders   /var/lib/libvirt/images /var/lib/livemig/images /data /images /mnt "
                    + "/shared /srv /vms",
                "boot folders    /boot /usr/lib/ipxe /usr/share /var/lib/libvirt/boot "
                    + "/var/lib/libvirt/qemu/nvram image folders",
                "emulators       /usr/bin/qemu-system-* /usr/libexec/qemu-kvm",
                "other networks  allowed",
                "addresses       none that peers can use",
                "peers           all that are trusted",
                "guests          welcome",
            ])
        settings.policy = try Self.settled()
        settings.memoryReserve = .mebibytes(4096)
        try settings.policy.maintenance.cordon(sending: [
            Maintenance.Guest(name: try VMName("web1"), uuid: VMUUID(.zero))
        ])
        settings.incoming = 1
        settings.promised = .mebibytes(64)
        settings.addresses = ["10.77.0.1", "fd00::1"].compactMap { IPAddress($0) }
        #expect(
            HostSettingsText.lines(settings) == [
                "live migration     disabled",
                "live moves         4 each way, 0 leaving and 1 coming now",
                "storage moves      3",
                "memory reserve     4.0 GiB",
                "memory promised    64 MiB to guests on their way here",
                "compression        lz4",
                "QEMU runs as       livemig-qemu",
                "QEMU's sandbox     optional",
                "user networks      refused",
                "image folders      /pool",
                "boot folders       /pool/boot image folders",
                "emulators          /opt/qemu",
                "migration network  10.77.0.0/24, priority 2, at most 1 at a time",
                "other networks     refused",
                "addresses          10.77.0.1 fd00::1",
                "peer               beta",
                "guests             refused until livemig resume, 1 left when it was drained",
            ])
        let json = JSONText.line(HostSettingsDocument(try HostName("alpha"), settings))
        #expect(
            json
                == #"{"addresses":["10.77.0.1","fd00::1"],"any_network":false,"#
                + #""boot_folders":["/pool/boot","/pool"],"compression":"lz4","#
                + #""cordoned":true,"default_folders":false,"drained_guests":["web1"],"#
                + #""emulators":["/opt/qemu"],"hypervisor_user":"livemig-qemu","#
                + #""image_folders":["/pool"],"incoming":1,"live_migration_enabled":false,"live_moves":4,"#
                + #""memory_promised_bytes":67108864,"memory_reserve_bytes":4294967296,"#
                + #""memory_reserve_is_default":false,"#
                + #""migration_networks":[{"priority":2,"simultaneous":1,"subnet":"10.77.0.0/24"}],"#
                + #""name":"alpha","outgoing":0,"peers":["beta"],"sandbox_required":false,"#
                + #""storage_moves":3,"user_network":"refused"}"#)
    }
}
