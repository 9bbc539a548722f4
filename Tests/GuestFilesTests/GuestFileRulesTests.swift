import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import GuestFiles

@Suite("Files that definitions name")
struct GuestFileRulesTests {
    let folder: ScratchFolder
    let rules: GuestFileRules

    init() throws {
        folder = try ScratchFolder()
        var folders = GuestFolders()
        folders.includesDefaults = false
        folders.images = [folder.path("images")]
        folders.boot = [folder.path("boot")]
        folders.emulators = [folder.path("qemu")]
        rules = GuestFileRules(folders, root: folder.path("images/host"))
        for name in ["images", "images/host", "images/host/images", "boot", "qemu", "other"] {
            _ = unsafe mkdir(folder.path(name), 0o755)
        }
        for name in ["images/a", "other/b", "images/host/c", "images/host/images/d", "boot/k"] {
            try folder.write("x", to: name)
        }
    }

    private func refusal(_ name: String, _ kind: GuestFileKind = .image) -> ErrorCode? {
        let path = name.hasPrefix("/") ? name : folder.path(name)
        do throws(LivemigError) {
            _ = try rules.find(path, kind, "the file")
            return nil
        } catch {
            return error.code
        }
    }

    // Breaks when a name is compared and not where it leads: a link out of a folder, to the folder
    // itself, to nothing, or through a folder that is a link.
    @Test("Real paths are judged")
    func links() throws {
        for (link, target) in [
            ("images/out", folder.path("other/b")), ("other/in", folder.path("images/a")),
            ("images/nowhere", "/root/.ssh/authorized_keys2"), ("images/dir", folder.path("other")),
            ("images/etc", "/etc/shadow"),
        ] {
            try #require(unsafe symlink(target, folder.path(link)) == 0)
        }
        #expect(refusal("images/a") == nil)
        #expect(refusal("other/in") == nil)
        #expect(refusal("images/missing") == nil)
        #expect(refusal("boot/../images/a") == nil)
        for name in [
            "images/out", "images/nowhere", "images/dir/b", "images/dir/missing", "images/etc",
            "other/b", "other/missing", "/etc/shadow", "/root/none/x", "/proc/self/mem", "imagesx",
            "boot/k",
        ] {
            #expect(refusal(name) == .forbidden, "\(name)")
        }
        #expect(refusal("boot/k", .boot) == nil)
        #expect(refusal("images/a", .boot) == nil)
        #expect(refusal("other/b", .boot) == .forbidden)
    }

    // Breaks when a host's own files can become a disk, its own root's or a neighbour's.
    @Test("A host's root is nobody's image, except for its folder images")
    func roots() throws {
        #expect(refusal("images/host/c") == .forbidden)
        #expect(refusal("images/host/vms/x/ownership") == .forbidden)
        #expect(refusal("images/host/images/d") == nil)
        for name in ["images/peer", "images/peer/vms", "images/peer/keys", "images/peer/moves"] {
            _ = unsafe mkdir(folder.path(name), 0o755)
        }
        #expect(refusal("images/peer/keys/id_ed25519") == .forbidden)
    }

    // Breaks when something else than a regular file is opened: a device node acts by that alone.
    @Test("Only regular files are opened")
    func types() throws {
        _ = unsafe mkdir(folder.path("images/folder"), 0o755)
        try #require(unsafe mkfifo(folder.path("images/pipe"), 0o600) == 0)
        _ = try UnixSocket.listen(folder.path("images/s"), .stream)
        for (name, mode, device) in [
            ("block", S_IFBLK, (7, 250)), ("watchdog", S_IFCHR, (10, 130)),
        ] {
            let number = dev_t(device.0 << 8 | device.1)
            try #require(unsafe mknod(folder.path("images/\(name)"), mode | 0o600, number) == 0)
        }
        for name in ["folder", "pipe", "s", "block", "watchdog"] {
            #expect(refusal("images/\(name)") == .forbidden, "\(name)")
        }
    }

    // Breaks when a program is executed that somebody else could have written.
    @Test("An emulator is root's, and so is every folder above it")
    func emulators() throws {
        let path = folder.path("qemu/q")
        try folder.write("x", to: "qemu/q", mode: 0o755)
        #expect(try rules.program(path) == path)
        #expect(try rules.program(folder.path("qemu/none")) == nil)
        func refused() -> Bool {
            do throws(LivemigError) {
                _ = try rules.program(path)
                return false
            } catch {
                return error.code == .forbidden
            }
        }
        for (name, mode) in [("qemu/q", mode_t(0o775)), ("qemu", 0o757)] {
            var status = stat()
            try #require(unsafe stat(folder.path(name), &status) == 0)
            try #require(unsafe chmod(folder.path(name), mode) == 0)
            #expect(refused(), "\(name)")
            try #require(unsafe chmod(folder.path(name), status.st_mode & 0o7777) == 0)
            guard geteuid() == 0 else { continue }
            try #require(unsafe chown(folder.path(name), 65534, 0) == 0)
            #expect(refused(), "\(name) of nobody")
            try #require(unsafe chown(folder.path(name), 0, 0) == 0)
        }
        #expect(!refused())
        try #require(unsafe rename(path, folder.path("other/q")) == 0)
        try #require(unsafe symlink(folder.path("other/q"), path) == 0)
        #expect(refused(), "a link out of the folder")
    }

    // Breaks when the distribution's QEMU is not found by default, or anything else passes.
    @Test("By default images are where images are kept, and emulators are the distribution's")
    func defaults() {
        let folders = GuestFolders()
        for path in ["/var/lib/libvirt/images/a", "/srv/vm/a", "/mnt/nfs/a", "/data/a"] {
            #expect(GuestFolders.contains(path, in: folders.places(for: .image)), "\(path)")
        }
        for path in [
            "/etc/shadow", "/root/.ssh/authorized_keys", "/home/me/.ssh/authorized_keys",
            "/var/lib/livemig/keys/id_ed25519", "/var/spool/cron/root", "/tmp/a", "/usr/bin/sh",
            "/boot/vmlinuz", "/dev/sda", "/srvx/a", "/var/lib/libvirt/images2/a", "/old_root/a",
        ] {
            #expect(!GuestFolders.contains(path, in: folders.places(for: .image)), "\(path)")
        }
        let emulators = folders.places(for: .emulator)
        #expect(GuestFolders.contains("/usr/bin/qemu-system-x86_64", in: emulators))
        #expect(GuestFolders.contains("/usr/libexec/qemu-kvm", in: emulators))
        #expect(
            !GuestFolders.contains("/usr/bin/qemu-system-x/../sh", in: ["/usr/bin/qemu-system-*"]))
        #expect(!GuestFolders.contains("/usr/bin/sh", in: emulators))
    }

    // Breaks when other devices are read into a guest than those that cannot be emptied.
    @Test("A random source is one of the kernel's three")
    func randomSources() throws {
        var definition = try Self.definition()
        definition.randomSource = "/dev/urandom"
        #expect(try rules.open(definition).random != nil)
        for path in ["/dev/watchdog", "/dev/zero", "/dev/tty", folder.path("images/a")] {
            definition.randomSource = path
            #expect(rules.errors(of: definition).map(\.code) == [.forbidden], "\(path)")
            #expect(throws: LivemigError.self) { try rules.requirePlaces(of: definition) }
        }
    }

    static func definition() throws -> VMDefinition {
        VMDefinition(
            name: try VMName("g"), uuid: VMUUID(.zero), kind: .qemu, memory: .mebibytes(64))
    }
}
