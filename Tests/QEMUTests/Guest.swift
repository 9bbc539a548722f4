import Glibc
import GuestFiles
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

@testable import QEMU

/// A guest in a real QEMU with its own folder; both are gone when it is.
final class Guest {
    let definition: VMDefinition
    let memory: GuestMemoryFile
    let folder: MachineFolder
    let machine: QEMUMachine

    init(
        _ definition: VMDefinition, _ mode: LaunchMode = .powerOn, as user: HypervisorUser? = nil
    ) throws {
        self.definition = definition
        folder = MachineFolder(path: try Guest.makeFolder())
        memory = try .create(size: definition.memory)
        let launcher = Guest.launcher(as: user)
        do {
            let machine = try launcher.launch(
                definition, memory: memory, folder: folder, mode: mode)
            self.machine = try #require(machine as? QEMUMachine)
        } catch {
            Guest.remove(folder.path)
            throw error
        }
    }

    deinit {
        machine.destroy()
        Guest.remove(folder.path)
    }

    /// Starts guests that may have the tests' files.
    static func launcher(
        library: String = preloadLibrary, as user: HypervisorUser? = nil,
        emulators: [String] = [], rules: LaunchRules = LaunchRules()
    ) -> QEMULauncher {
        var folders = TestFiles.folders
        folders.images.append("/tmp")
        folders.emulators += emulators
        let files = GuestFileRules(folders, user: user)
        return QEMULauncher(
            preloadLibrary: library, files: { () throws(LivemigError) in files },
            user: { (_) throws(LivemigError) in user },
            rules: { () throws(LivemigError) in rules })
    }

    /// A machine without disks: its firmware idles.
    static func definition(
        mebibytes: UInt64 = 128, machine: String = "q35", uuid: VMUUID = .random()
    ) throws -> VMDefinition {
        let kvm = environment("LIVEMIG_KVM_CPU")
        return VMDefinition(
            name: try VMName("guest"), uuid: uuid, kind: kvm == nil ? .qemu : .kvm,
            memory: .mebibytes(mebibytes), cpuModel: kvm, boot: .init(machine: machine),
            emulator: environment("LIVEMIG_QEMU"))
    }

    /// `LIVEMIG_QEMU` is the QEMU under test where it is not the distribution's; with
    /// `LIVEMIG_KVM_CPU`, a CPU model, the guests run under KVM.
    private static func environment(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    /// The library beside the test program, or in the package's build folder.
    static var preloadLibrary: String {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        let beside = CommandLine.arguments.first.map { Substring($0) }?.split(separator: "/")
            .dropLast().map { "/" + $0 }.joined()
        let folders = [beside, root + "/.build/debug", root + "/.build/release"].compactMap(\.self)
        let files = folders.map { $0 + "/" + PreloadLibrary.fileName }
        return files.first { unsafe access($0, R_OK) == 0 } ?? files[0]
    }

    static func makeFolder() throws -> String {
        var pattern = Array("/tmp/lmqXXXXXX".utf8CString)
        guard unsafe mkdtemp(&pattern) != nil else {
            throw LivemigError(.io, "mkdtemp: errno \(errno)")
        }
        return String(decoding: pattern.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    static func remove(_ folder: String) {
        MachineFolder(path: folder).removeSockets()
        for name in (try? FolderListing.names(in: folder)) ?? [] {
            _ = unsafe unlink(folder + "/" + name)
        }
        _ = unsafe rmdir(folder)
    }

    /// Fills a range of guest RAM with bytes that do not compress.
    func fillRandom(mebibytes range: Range<Int>) throws {
        let mapping = try GuestMapping(memory, .write)
        let source = try OwnedDescriptor.open("/dev/urandom", O_RDONLY)
        let count = range.count << 20
        let target = unsafe UnsafeMutableRawBufferPointer(
            start: mapping.address + range.lowerBound << 20, count: count)
        #expect(try unsafe DescriptorIO.readFully(into: target, from: source.number) == count)
    }

    /// Copies all of the RAM of another guest.
    func copyMemory(of other: Guest) throws {
        let source = try GuestMapping(other.memory, .read)
        let target = try GuestMapping(memory, .write)
        unsafe memcpy(target.address, source.address, source.byteCount)
    }

    /// Whether the RAM equals that of another guest.
    func memoryEquals(_ other: Guest) throws -> Bool {
        let left = try GuestMapping(other.memory, .read)
        let right = try GuestMapping(memory, .read)
        return unsafe memcmp(left.address, right.address, left.byteCount) == 0
    }

    /// Saves the device state and returns the stream.
    func saved(within limit: Duration = .seconds(10)) throws -> [UInt8] {
        let (reader, writer) = try UnixSocket.pair(.stream).release()
        let thread = WorkerThread("drain") { try Stream.drain(reader) }
        try machine.saveDeviceState(
            to: OwnedDescriptor(owning: writer), deadline: .now + limit)
        return try thread.join()
    }

    /// Feeds a stream to an incoming machine.
    func load(_ bytes: [UInt8], within limit: Duration = .seconds(10)) throws {
        let (writer, reader) = try UnixSocket.pair(.stream).release()
        let thread = WorkerThread("feed") { Stream.feed(bytes, to: writer) }
        defer { try? thread.join() }
        try machine.loadDeviceState(
            from: OwnedDescriptor(owning: reader), deadline: .now + limit)
    }
}

enum Stream {
    /// Reads a stream to its end and closes it.
    static func drain(_ descriptor: CInt) throws -> [UInt8] {
        let owner = OwnedDescriptor(owning: descriptor)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe read(owner.number, &chunk, chunk.count)
            guard count > 0 else { return bytes }
            bytes += chunk.prefix(count)
        }
    }

    /// Writes what the reader takes, and closes the stream; a reader that goes away is no error.
    static func feed(_ bytes: [UInt8], to descriptor: CInt) {
        let owner = OwnedDescriptor(owning: descriptor)
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe send(
                    owner.number, $0.baseAddress.map { unsafe $0 + done }, $0.count - done,
                    CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            done += count
        }
    }
}

/// The error of a call that must fail.
func failure(_ body: () throws -> Void) -> LivemigError? {
    do {
        try body()
        return nil
    } catch {
        return error as? LivemigError
    }
}
