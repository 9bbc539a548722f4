import Glibc
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel
import SyntheticVM

/// A folder for one guest, removed with everything in it.
final class GuestFixture {
    let folder: MachineFolder
    let memory: GuestMemoryFile
    let definition: VMDefinition
    private var machines: [SyntheticMachine] = []

    init(_ workload: String, memory size: ByteCount = .mebibytes(32), vcpus: Int = 2) throws {
        // A guest that refuses its state hangs up on the writer, as it would on an agent.
        _ = signal(SIGPIPE, SIG_IGN)
        folder = MachineFolder(path: try Self.makeFolder())
        memory = try GuestMemoryFile.create(size: size)
        var boot = VMDefinition.Boot()
        boot.commandLine = workload
        definition = VMDefinition(
            name: try VMName("guest"), uuid: .random(), kind: .synthetic, memory: size,
            vcpus: vcpus, boot: boot)
    }

    deinit { end() }

    /// Ends the guests and removes the folder; keeps both until then.
    func end() {
        for machine in machines { machine.destroy() }
        machines = []
        folder.removeSockets()
        for file in [folder.consoleLog, folder.hypervisorLog] { _ = unsafe unlink(file) }
        _ = unsafe rmdir(folder.path)
    }

    func start(_ mode: LaunchMode = .powerOn) throws -> SyntheticMachine {
        let machine = try Self.launcher().start(
            definition, memory: memory, folder: folder, mode: mode)
        machines.append(machine)
        return machine
    }

    static func launcher() throws -> SyntheticLauncher {
        let runner = try RunningProgram.path()
        return SyntheticLauncher(
            program: try SyntheticLauncher.locate(besides: runner),
            library: try PreloadLibrary.locate(besides: runner))
    }

    /// Copies what is populated of another guest's RAM into this one's.
    func copyMemory(from other: GuestFixture) throws {
        var pages = PageBitmap(pageCount: other.memory.pageCount)
        try other.memory.addPopulatedPages(to: &pages)
        try copy(pages, from: other)
    }

    func copy(_ pages: PageBitmap, from other: GuestFixture) throws {
        let source = try GuestMapping(other.memory, .read)
        let target = try GuestMapping(memory, .write)
        for page in pages.runs.joined() {
            unsafe (target.address + page * 4096).copyMemory(
                from: source.address + page * 4096, byteCount: 4096)
        }
    }

    /// The bytes of one page as an observer outside the guest sees them.
    func page(_ number: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let descriptor = memory.descriptor.number
        try SystemCall.check("pread") {
            unsafe pread(descriptor, &bytes, 4096, off_t(number * 4096))
        }
        return bytes
    }

    func heartbeat() throws -> Heartbeat? { Heartbeat(page: try page(0)) }

    func text(of path: String) throws -> String {
        let file = try OwnedDescriptor.open(path, O_RDONLY)
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = unsafe bytes.withUnsafeMutableBytes {
            (try? unsafe DescriptorIO.readFully(into: $0, from: file.number)) ?? 0
        }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    private static func makeFolder() throws -> String {
        var template = Array("/tmp/livemig-guest-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else {
            throw LivemigError(.file, "mkdtemp failed with errno \(errno)")
        }
        return String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The path of this test program, which stands in the build folder beside the guest.
}

/// Lets a guest run for a while.
func run(milliseconds: Int) { _ = usleep(UInt32(milliseconds) * 1000) }

extension SyntheticMachine {
    static var soon: MonotonicTime { .now + .seconds(5) }

    /// The device state as a move would carry it, read while the guest writes it.
    func saveState() throws -> [UInt8] {
        let (near, far) = try UnixSocket.pair(.stream).release()
        let reader = WorkerThread("test-reader") { () -> [UInt8] in
            let near = OwnedDescriptor(owning: near)
            var bytes = [UInt8](repeating: 0, count: 32 << 20)
            let count = try unsafe bytes.withUnsafeMutableBytes {
                try unsafe DescriptorIO.readFully(
                    into: $0, from: near.number, stall: .seconds(5))
            }
            return Array(bytes.prefix(count))
        }
        do {
            try saveDeviceState(to: OwnedDescriptor(owning: far), deadline: Self.soon)
        } catch {
            _ = try? reader.join()
            throw error
        }
        return try reader.join()
    }

    /// Feeds a device state to an incoming guest.
    func load(_ bytes: [UInt8], deadline: MonotonicTime = soon) throws {
        let (near, far) = try UnixSocket.pair(.stream).release()
        let writer = WorkerThread("test-writer") {
            let near = OwnedDescriptor(owning: near)
            // A guest that refuses hangs up before it has read everything.
            try? DescriptorIO.write(bytes, to: near.number, stall: .seconds(5))
        }
        defer { _ = try? writer.join() }
        try loadDeviceState(from: OwnedDescriptor(owning: far), deadline: deadline)
    }
}
