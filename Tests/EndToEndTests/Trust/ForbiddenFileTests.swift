import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// A source's root, or a tenant, writes a definition that names files of the destination: what its
/// agent does with it, by every door that definitions come through.
@Suite(.serialized) struct ForbiddenFileTests {
    /// What comes of a definition at each door of a host.
    private struct Outcome {
        let inspected: [String]
        let prepared, defined: ErrorCode?

        init(_ definition: String, on host: TestHost) throws {
            let inspection = try host.agent().request(
                InspectIncoming(
                    definition: definition, source: try HostName("alpha"), isRunning: true,
                    path: .relay, keys: nil), for: Inspection.self)
            inspected = inspection.findings.map(\.id)
            prepared = Self.error {
                _ = try host.agent().request(
                    PrepareIncoming(
                        attempt: Attempt(migration: .random(), epoch: Epoch(1)),
                        definition: definition, secret: 1, source: try HostName("alpha")),
                    for: Prepared.self)
            }
            defined = Self.error {
                _ = try host.agent().request(
                    DefineMachine(definition: definition), for: MachineMessage.self)
            }
        }

        private static func error(_ body: () throws -> Void) -> ErrorCode? {
            do {
                try body()
                return nil
            } catch {
                return (error as? LivemigError)?.code
            }
        }

        var isRefused: Bool {
            inspected.contains("E-FORBIDDEN") && prepared == .forbidden && defined == .forbidden
        }
    }

    private static func definition(
        os: String = "", devices: String = "", kind: String = "qemu"
    ) -> String {
        """
        <domain type="\(kind)"><name>evil</name>
        <uuid>7d3c8f7e-2f55-4a0a-9d0b-0f6f5b1c2d3f</uuid>
        <memory unit="MiB">64</memory><vcpu>1</vcpu>
        <os><type arch="x86_64" machine="q35">hvm</type>\(os)</os>
        <devices>\(devices)</devices></domain>
        """
    }

    private static func disk(_ path: String, _ format: String = "raw") -> String {
        """
        <disk type="file" device="disk"><driver name="qemu" type="\(format)"/>
        <source file="\(path)"/><target dev="vda" bus="virtio"/></disk>
        """
    }

    // Breaks when a definition gets a file of the destination that guests may not have: a password, a
    // key, a record, a device, by its name, by a link, or by the header of an image.
    @Test(.timeLimit(.minutes(1))) func filesOfTheDestination() throws {
        let beta = try TestHost("beta")
        let folder = try ScratchFolder()
        try folder.write("the host's", to: "authorized_keys")
        #expect(unsafe symlink("/etc/shadow", folder.path("link")) == 0)
        #expect(unsafe symlink("/dev/watchdog", folder.path("dog")) == 0)
        #expect(unsafe mkfifo(folder.path("pipe"), 0o600) == 0)
        #expect(unsafe mknod(folder.path("null"), S_IFCHR | 0o600, dev_t(1 << 8 | 3)) == 0)
        _ = try beta.agent().request(CreateKey(), for: PublicKeyMessage.self)
        for path in [
            "/etc/shadow", "/root/.ssh/authorized_keys", folder.path("link"), folder.path("dog"),
            folder.path("pipe"), folder.path("null"), "\(beta.root)/keys/id_ed25519",
            "\(beta.root)/host.xml", "\(beta.root)/vms/other/ownership", "/dev/null",
        ] {
            for kind in ["qemu", "synthetic"] {
                let outcome = try Outcome(
                    Self.definition(devices: Self.disk(path), kind: kind), on: beta)
                #expect(outcome.isRefused, "\(kind) \(path): \(outcome)")
            }
        }
        let image = folder.path("image")
        try Tool.run(
            "qemu-img", package: "qemu-utils",
            ["create", "-q", "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", image, "4M"])
        let hidden = try Outcome(Self.definition(devices: Self.disk(image, "qcow2")), on: beta)
        #expect(hidden.inspected.contains("E-FORBIDDEN") && hidden.prepared == .forbidden)
        for os in [
            "<kernel>/etc/shadow</kernel>", "<loader>/root/.ssh/id_ed25519</loader>",
            "<kernel>\(folder.path("link"))</kernel>",
        ] {
            #expect(try Outcome(Self.definition(os: os), on: beta).isRefused, "\(os)")
        }
        let random = "<rng model=\"virtio\"><backend model=\"random\">/dev/watchdog</backend></rng>"
        #expect(try Outcome(Self.definition(devices: random), on: beta).isRefused)
        #expect(TreeListing.names(in: beta.root + "/vms") == ["evil"] || beta.leftovers == [])
    }

    // Breaks when a program is executed because a definition names it: from shared storage, or from a
    // place that somebody else than root may write.
    @Test(.timeLimit(.minutes(1))) func emulators() throws {
        let beta = try TestHost("beta")
        let folder = try ScratchFolder()
        let mark = folder.path("executed")
        try folder.write("#!/bin/sh\ntouch \(mark)\n", to: "qemu", mode: 0o755)
        let evil = Self.definition(devices: "<emulator>\(folder.path("qemu"))</emulator>")
        #expect(try Outcome(evil, on: beta).isRefused)
        // The place is allowed now, and somebody else may write the program.
        _ = unsafe chmod(folder.path("qemu"), 0o777)
        let agent = try beta.agent()
        let base = try agent.request(ShowPolicy(), for: HostPolicyMessage.self).settings.policy
        var policy = base
        policy.folders.emulators.append(folder.path)
        _ = try agent.request(
            ChangePolicy(base: base, policy: policy), for: HostPolicyMessage.self)
        #expect(try Outcome(evil, on: beta).isRefused)
        #expect(unsafe access(mark, F_OK) != 0)
        // Allowed and safe, it is asked what it is.
        _ = unsafe chmod(folder.path("qemu"), 0o755)
        #expect(try Outcome(evil, on: beta).inspected == ["E-QEMU"])
        #expect(unsafe access(mark, F_OK) == 0)
    }

    // Breaks when a guest starts whose definition was changed below the root, or whose place was taken
    // away, or when that touches one that runs.
    @Test(.timeLimit(.minutes(2))) func placesAreTakenAway() throws {
        let hosts = try TwoHosts()
        let someone = try Operator(hosts)
        let disk = try SharedDisk("raw", mebibytes: 8)
        try hosts.start(document: IdleGuest.definition(disk.element()))
        let place = TestFiles.folders.images[0]
        try someone.succeed("host", "settings", "beta", "--remove-folder", place)
        let move = try someone.run("move", "guest", "--to", "beta")
        move.expect(.forbidden, "beta", disk.path, "--image-folder")
        move.expectRunning(on: "alpha")
        try someone.succeed("host", "settings", "alpha", "--remove-folder", place)
        #expect(try hosts.summary(on: hosts.alpha).state == .running)
        try someone.succeed("vm", "stop", "guest")
        try someone.run("vm", "start", "guest").expect(.forbidden, disk.path)
        try someone.succeed("host", "settings", "alpha", "--image-folder", disk.path)
        try someone.succeed("vm", "start", "guest")
    }
}
