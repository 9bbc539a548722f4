import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing
import WireProtocol

/// Real Linux guests in unmodified QEMU, moved between two hosts.
@Suite(.serialized) struct QEMUMoveTests {
    // Breaks when a page of a real kernel is lost or stale, or when the guest stands still.
    @Test(.timeLimit(.minutes(3))) func movesLinuxThereAndBack() throws {
        let hosts = try TwoHosts()
        try hosts.startLinux("lm.fill=64 lm.ws=16 lm.rate=50 lm.content=mixed lm.beat=100")
        let before = try hosts.alpha.nextBeat()
        #expect(before.corrupt == 0)
        let (there, _) = try hosts.move(from: hosts.alpha, to: hosts.beta)
        print(there)
        #expect(there.sourceIsClean)
        #expect(hosts.alpha.leftovers == [])
        let between = try hosts.beta.nextBeat()
        #expect(between.number > before.number)
        #expect(between.corrupt == 0)
        let (back, _) = try hosts.move(from: hosts.beta, to: hosts.alpha)
        print(back)
        #expect(hosts.beta.leftovers == [])
        let after = try hosts.alpha.nextBeat()
        #expect(after.number > between.number)
        #expect(after.corrupt == 0)
    }
}

/// A line in which the Linux guest says how it is.
struct Beat {
    let number: Int
    let corrupt: Int
    /// How many records of the disk log are durable; `nil` for a guest that keeps none.
    let log: Int?

    init?(_ line: String) {
        var values: [String: Int] = [:]
        for word in line.split(separator: " ") {
            let parts = word.split(separator: "=")
            if parts.count == 2 { values[String(parts[0])] = Int(parts[1]) }
        }
        guard let number = values["beat"], let corrupt = values["corrupt"] else { return nil }
        self.number = number
        self.corrupt = corrupt
        log = values["log"]
    }
}

extension TestHost {
    /// The next line in which the Linux guest says how it is.
    func nextBeat() throws -> Beat {
        let line = try console("guest", type: "", until: "GUEST beat=")
        guard let beat = Beat(line) else {
            throw LivemigError(.internal, "not a beat: \(line)")
        }
        return beat
    }
}

/// The kernel and initial RAM disk that Scripts/guest-image makes.
enum GuestImageFiles {
    static func path(_ name: String) throws -> String {
        let folder = try RunningProgram.folder()
        let build = folder.split(separator: "/").dropLast(2).map { "/" + $0 }.joined()
        let path = "\(build)/guest/\(name)"
        guard unsafe access(path, R_OK) == 0 else {
            throw LivemigError(
                .file, "the test guest is missing", at: path,
                fix: "run Scripts/guest-image .build/guest")
        }
        return path
    }
}

extension TwoHosts {
    /// Starts the Linux test guest on alpha and waits until it works.
    func startLinux(_ settings: String, memory: Int = 256, devices: String = "") throws {
        let document = """
            <domain type="qemu"><name>guest</name>
            <uuid>7d3c8f7e-2f55-4a0a-9d0b-0f6f5b1c2d3e</uuid>
            <memory unit="MiB">\(memory)</memory><vcpu>1</vcpu>
            <os><type arch="x86_64" machine="q35">hvm</type>
            <kernel>\(try GuestImageFiles.path("vmlinuz"))</kernel>
            <initrd>\(try GuestImageFiles.path("initramfs.cpio.gz"))</initrd>
            <cmdline>console=ttyS0 panic=-1 \(settings)</cmdline></os>
            <devices><serial type="pty"/>\(devices)</devices></domain>
            """
        try start(document: document)
        _ = try alpha.console("guest", type: "", until: "corrupt=", patience: .seconds(90))
    }
}
