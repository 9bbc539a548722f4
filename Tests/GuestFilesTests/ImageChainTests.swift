import Glibc
import Hypervisor
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import GuestFiles

@Suite("Images and what is below them")
struct ImageChainTests {
    let folder: ScratchFolder
    let rules: GuestFileRules

    init() throws {
        folder = try ScratchFolder()
        for name in ["images", "images/base", "other"] {
            _ = unsafe mkdir(folder.path(name), 0o755)
        }
        rules = GuestFileRules(Self.folders(folder))
    }

    private static func folders(_ folder: ScratchFolder) -> GuestFolders {
        var folders = GuestFolders()
        folders.images = [folder.path("images")]
        return folders
    }

    private func image(_ arguments: String...) throws {
        try Tool.run("qemu-img", package: "qemu-utils", arguments)
    }

    private func open(_ name: String, _ format: VMDefinition.Disk.Format = .qcow2)
        throws(LivemigError)
        -> ImageChain
    {
        try rules.open(.init(path: folder.path(name), format: format, target: "vda"))
    }

    private func failure(
        _ name: String, _ format: VMDefinition.Disk.Format = .qcow2
    ) -> LivemigError? {
        do throws(LivemigError) {
            _ = try open(name, format)
            return nil
        } catch {
            return error
        }
    }

    // Breaks when an image of a chain is left to QEMU to find, or a relative name is taken from the
    // wrong folder.
    @Test("A chain of real images is followed to its end")
    func chain() throws {
        let base = folder.path("images/base/b.raw")
        try image("create", "-q", "-f", "raw", base, "4M")
        try image(
            "create", "-q", "-f", "qcow2", "-b", "base/b.raw", "-F", "raw",
            folder.path("images/middle.qcow2"))
        try image(
            "create", "-q", "-f", "qcow2", "-b", folder.path("images/middle.qcow2"), "-F", "qcow2",
            folder.path("images/top.qcow2"))
        let members = try open("images/top.qcow2").members
        #expect(members.map(\.format) == [.qcow2, .qcow2, .raw])
        #expect(members.last?.path == base)
        #expect(members.map(\.size) == [4 << 20, 4 << 20, 4 << 20])
        let modes = members.map { fcntl($0.file.descriptor.number, F_GETFL) & O_ACCMODE }
        #expect(modes == [O_RDWR, O_RDONLY, O_RDONLY])
        try #require(unsafe unlink(base) == 0)
        let missing = failure("images/top.qcow2")
        #expect(missing?.code == .disk && missing?.what.contains("backing file") == true)
    }

    // Breaks when a header can name a file that the definition could not: elsewhere, by a protocol,
    // as a data file, or of a format that QEMU would guess.
    @Test("A header names no file that a definition may not")
    func refusals() throws {
        let shadow = folder.path("other/shadow")
        try folder.write(String(repeating: "x", count: 1024), to: "other/shadow")
        let cases: [(name: String, options: [String], code: ErrorCode)] = [
            ("outside", ["-u", "-b", shadow, "-F", "raw"], .forbidden),
            ("shadow", ["-u", "-b", "/etc/shadow", "-F", "raw"], .forbidden),
            ("up", ["-u", "-b", "../other/shadow", "-F", "raw"], .forbidden),
            ("device", ["-u", "-b", "/dev/watchdog", "-F", "raw"], .forbidden),
            ("nbd", ["-u", "-b", "nbd://127.0.0.1/x", "-F", "raw"], .forbidden),
            ("json", ["-u", "-b", "json:{\"driver\":\"file\"}", "-F", "raw"], .forbidden),
            ("format", ["-u", "-b", "b", "-F", "vmdk"], .disk),
        ]
        for (name, options, code) in cases {
            let path = folder.path("images/\(name)")
            try Tool.run(
                "qemu-img", package: "qemu-utils",
                ["create", "-q", "-f", "qcow2"] + options + [path, "4M"])
            #expect(failure("images/\(name)")?.code == code, "\(name)")
        }
        try image(
            "create", "-q", "-f", "qcow2", "-o", "data_file=\(shadow)x",
            folder.path("images/data"), "4M")
        #expect(failure("images/data")?.what.contains("another file") == true)
        try folder.write("plain", to: "images/plain")
        #expect(failure("images/plain")?.code == .disk)
        // Raw is what it is called: what a guest has written there is not obeyed.
        #expect(failure("images/shadow", .raw) == nil)
    }

    // Breaks when images below each other in a ring are followed for ever.
    @Test("A ring of images ends")
    func ring() throws {
        let path = folder.path("images/ring")
        try image("create", "-q", "-f", "qcow2", path, "4M")
        try image("rebase", "-u", "-f", "qcow2", "-b", path, "-F", "qcow2", path)
        #expect(failure("images/ring")?.what.contains("64 images") == true)
    }

    // Breaks when bytes of a damaged header are believed or trap.
    @Test("Any header is read or refused")
    func damaged() throws {
        let path = folder.path("images/base/b")
        try image("create", "-q", "-f", "raw", path, "4M")
        let top = folder.path("images/t")
        try image("create", "-q", "-f", "qcow2", "-b", path, "-F", "raw", top)
        let file = try OwnedDescriptor.open(top, O_RDONLY)
        let whole = try DescriptorIO.readAvailable(upTo: ImageHeader.limit, from: file.number)
        for count in 0..<min(whole.count, 600) {
            _ = try? ImageHeader(Array(whole.prefix(count)), at: "t")
        }
        for offset in 0..<600 {
            for value: UInt8 in [0, 1, 0x7F, 0x80, 0xFF] {
                var bytes = whole
                bytes[offset] = value
                _ = try? ImageHeader(bytes, at: "t")
            }
        }
        #expect(try ImageHeader(whole, at: "t").backing?.name == path)
    }

    // Breaks when a look is made with other rights than the guest's start, on the file or on a folder
    // above it.
    @Test("Files to boot from are looked at as QEMU's user", .enabled(if: geteuid() == 0))
    func user() throws {
        var folders = Self.folders(folder)
        folders.boot = [folder.path("images")]
        let nobody = try HypervisorUser(named: "nobody")
        let rules = GuestFileRules(folders, user: nobody)
        var definition = try GuestFileRulesTests.definition()
        definition.boot.kernel = folder.path("images/k")
        try folder.write("k", to: "images/k", mode: 0o600)
        let error = rules.errors(of: definition).first
        #expect(error?.code == .qemu && error?.what.contains("nobody") == true)
        try #require(unsafe chmod(folder.path("images/k"), 0o644) == 0)
        #expect(rules.errors(of: definition).isEmpty)
        #expect(geteuid() == 0)
        // An image is opened for QEMU, which needs no rights of its own.
        definition.disks = [.init(path: folder.path("images/d"), format: .raw, target: "vda")]
        try folder.write("d", to: "images/d", mode: 0o600)
        #expect(rules.errors(of: definition).isEmpty)
    }
}
