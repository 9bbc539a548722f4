import Glibc
import LinuxSystem
import MigrationModel
import TestSupport

/// A disk image with an empty ext4 file system, in a folder that both hosts see.
final class SharedDisk {
    let path: String
    let format: String
    private let folder: ScratchFolder

    /// Makes an image.
    /// - Parameter format: `raw` or `qcow2`.
    init(_ format: String, mebibytes: Int = 64) throws(LivemigError) {
        self.format = format
        folder = try ScratchFolder()
        path = folder.path("disk.\(format)")
        let plain = folder.path("new")
        try Self.image(["create", "-q", "-f", "raw", plain, "\(mebibytes)M"])
        try Tool.run("mkfs.ext4", package: "e2fsprogs", ["-q", "-F", plain])
        try Self.image(["convert", "-f", "raw", "-O", format, plain, path])
        _ = unsafe unlink(plain)
    }

    /// The element of a definition; the guest finds the disk as `/dev/vda`.
    func element(cache: String? = nil) -> String {
        let mode = cache.map { " cache=\"\($0)\"" } ?? ""
        return """
            <disk type="file" device="disk"><driver name="qemu" type="\(format)"\(mode)/>
            <source file="\(path)"/><target dev="vda" bus="virtio"/></disk>
            """
    }

    /// What another program says that opens the image to write; `nil` when nothing stands in its
    /// way.
    func refusalOfWriter() throws(LivemigError) -> String? {
        let program = try Tool.path("qemu-io", package: "qemu-utils")
        let (status, output) = try Tool.outcome(program, ["-f", format, "-c", "quit", path])
        return status == 0 ? nil : output
    }

    /// What a second QEMU says that is started on the image; `nil` when it starts.
    func refusalOfQEMU() throws(LivemigError) -> String? {
        let program = try Tool.path("qemu-system-x86_64", package: "qemu-system-x86")
        let drive = "if=none,id=d,format=\(format),file=\(path)"
        let (status, output) = try Tool.outcome(
            try Tool.path("timeout", package: "coreutils"),
            [
                "5", program, "-machine", "q35", "-nodefaults", "-display", "none", "-S", "-drive",
                drive, "-device", "virtio-blk-pci,drive=d",
            ])
        let endedByTimeout: Int32 = 124
        return status == endedByTimeout ? nil : output
    }

    /// Checks image and file system, and reads the guest's log.
    ///
    /// - Returns: how many records the log holds, all of them good.
    /// - Throws: what the tool said that found a fault.
    func recordsAfterCheck() throws -> Int {
        if format != "raw" { try Self.image(["check", "-q", "-f", format, path]) }
        let plain = folder.path("plain")
        let log = folder.path("log")
        let checker = folder.path("check-log")
        try Self.image(["convert", "-f", format, "-O", "raw", path, plain])
        try Tool.run("fsck.ext4", package: "e2fsprogs", ["-f", "-n", plain])
        try Tool.run(
            "debugfs", package: "e2fsprogs", ["-R", "dump /livemig.log \(log)", plain])
        let source = Repository.root + "/Tests/Guest/Host/check-log.c"
        try Tool.run("cc", package: "gcc", ["-O2", "-Wall", "-Werror", "-o", checker, source])
        let (status, output) = try Tool.outcome(checker, [log])
        let count = output.split(separator: " ").first { $0.hasPrefix("records=") }
        guard status == 0, let number = count.flatMap({ Int($0.dropFirst(8)) }) else {
            throw LivemigError(.io, "the guest's log is damaged: \(output)", at: path)
        }
        return number
    }

    private static func image(_ arguments: [String]) throws(LivemigError) {
        try Tool.run("qemu-img", package: "qemu-utils", arguments)
    }
}

/// Wants an image as another QEMU would: waits until nobody has it, and keeps it as long as told.
///
/// QEMU says with a shared lock on byte 200 + n that nobody else may use permission n, 1 being to
/// write, and refuses an image on which another has that byte (block/file-posix.c,
/// `RAW_LOCK_SHARED_BASE`). An exclusive lock waits for the holder of such a lock to go.
final class LockThief: Sendable {
    private let thread: WorkerThread<Void>

    /// Starts to wait for the image.
    ///
    /// - Parameters:
    ///   - path: the image.
    ///   - longer: how long it is kept after the process has ended.
    ///   - process: the process until whose end the image is kept, asked for once it is taken.
    init(
        _ path: String, for longer: Duration, while process: @escaping @Sendable () -> Int32?
    ) throws(LivemigError) {
        let number = try OwnedDescriptor.open(path, O_RDWR).release()
        thread = WorkerThread("lock thief") {
            let image = OwnedDescriptor(owning: number)
            try Self.lock(image.number, F_WRLCK, Self.setAndWait)
            try Self.lock(image.number, F_RDLCK, Self.set)
            if let id = process() {
                // A process that has ended has no command line left, reaped or not.
                // Without a pause: the source asks for the image as soon as it hears of the end.
                while !ProcessFiles.text("/proc/\(id)/cmdline").isEmpty { sched_yield() }
            }
            usleep(UInt32(longer.inNanoseconds / 1000))
        }
    }

    /// Waits until the image is free again.
    func join() throws { try thread.join() }

    // Locks of an open file, not of a process (fcntl(2), "Open file description locks"; the values
    // are those of asm-generic/fcntl.h).
    private static let set: CInt = 37
    private static let setAndWait: CInt = 38
    private static let writeByte = 201

    private static func lock(
        _ descriptor: CInt, _ type: CInt, _ command: CInt
    ) throws(LivemigError) {
        var range = flock()
        range.l_type = Int16(type)
        range.l_whence = Int16(SEEK_SET)
        range.l_start = writeByte
        range.l_len = 1
        try SystemCall.check("fcntl") { unsafe fcntl(descriptor, command, &range) }
    }
}
