import CLinux
import Glibc
import Hypervisor
public import LinuxSystem
public import MigrationModel

/// All files that a definition names, judged and open, but for the emulator.
public struct OpenedFiles: Sendable {
    /// The images of each disk.
    public var disks: [ImageChain] = []
    /// The kernel.
    public var kernel: OwnedDescriptorBox?
    /// The kernel's initial RAM disk.
    public var initrd: OwnedDescriptorBox?
    /// The firmware.
    public var loader: OwnedDescriptorBox?
    /// The random source.
    public var random: OwnedDescriptorBox?

    /// No file.
    public init() {}
}

extension GuestFileRules {
    /// Opens everything as it is handed to QEMU.
    /// - Throws: `E-FORBIDDEN`, `E-DISK`, and `E-QEMU` for a file to boot from; the first error.
    public func open(_ definition: VMDefinition) throws(LivemigError) -> OpenedFiles {
        var files = OpenedFiles()
        for disk in definition.disks { files.disks.append(try open(disk)) }
        files.kernel = try open(definition.boot.kernel, "kernel")
        files.initrd = try open(definition.boot.initrd, "initrd")
        files.loader = try open(definition.boot.loader, "firmware")
        files.random = try openRandomSource(of: definition)
        return files
    }

    /// Everything that keeps the files of a definition from being opened; opens them as for QEMU, and
    /// lets go of them.
    ///
    /// - Parameter chain: gets the images of each disk that can be opened.
    public func errors(
        of definition: VMDefinition,
        _ chain: (VMDefinition.Disk, ImageChain) -> Void = { _, _ in }
    ) -> [LivemigError] {
        var errors: [LivemigError] = []
        func note(_ look: () throws(LivemigError) -> Void) {
            do throws(LivemigError) { try look() } catch { errors.append(error) }
        }
        for disk in definition.disks {
            note { () throws(LivemigError) in chain(disk, try open(disk)) }
        }
        let boot = definition.boot
        for (path, what) in [
            (boot.kernel, "kernel"), (boot.initrd, "initrd"), (boot.loader, "firmware"),
        ] {
            note { () throws(LivemigError) in _ = try open(path, what) }
        }
        note { () throws(LivemigError) in _ = try openRandomSource(of: definition) }
        note { () throws(LivemigError) in
            if let emulator = definition.emulator { _ = try program(emulator) }
        }
        return errors
    }

    /// Insists that all files are in places that are allowed, there or not.
    /// - Throws: `E-FORBIDDEN`.
    public func requirePlaces(of definition: VMDefinition) throws(LivemigError) {
        for disk in definition.disks { _ = try find(disk.path, .image, "disk \(disk.target)") }
        let boot = definition.boot
        for (path, what) in [
            (boot.kernel, "kernel"), (boot.initrd, "initrd"), (boot.loader, "firmware"),
        ] {
            if let path { _ = try find(path, .boot, "the \(what)") }
        }
        if let emulator = definition.emulator { _ = try program(emulator) }
        if let source = definition.randomSource { try Self.requireRandomSource(source) }
    }

    /// Opens a file to boot from with the rights of QEMU's user, who opens it again by its
    /// descriptor: QEMU reads such files by name.
    private func open(
        _ path: String?, _ what: String
    ) throws(LivemigError) -> OwnedDescriptorBox? {
        guard let path else { return nil }
        let refusal = "could not open \(what) file"
        guard let found = try find(path, .boot, "the \(what)") else {
            throw LivemigError(
                .qemu, refusal, at: path, fix: "both hosts must have it under the same path")
        }
        do throws(LivemigError) {
            guard let user else {
                return OwnedDescriptorBox(try found.open(O_RDONLY, as: .qemu))
            }
            return OwnedDescriptorBox(
                try found.open(O_RDONLY | O_NONBLOCK | O_NOCTTY, as: user, .qemu))
        } catch {
            throw LivemigError(.qemu, "\(refusal): \(error.what)", at: path, fix: error.fix)
        }
    }

    // MARK: The random source

    /// Devices that can be read for ever and do nothing else, by their numbers
    /// (Documentation/admin-guide/devices.txt).
    private static let randomSources: [String: (major: dev_t, minor: dev_t)] = [
        "/dev/random": (1, 8), "/dev/urandom": (1, 9), "/dev/hwrng": (10, 183),
    ]

    private static func requireRandomSource(_ path: String) throws(LivemigError) {
        guard randomSources[path] == nil else { return }
        throw LivemigError(
            .forbidden, "\(path.escaped()) is not a random source",
            fix: "write one of \(randomSources.keys.sorted().joined(separator: ", "))")
    }

    private func openRandomSource(
        of definition: VMDefinition
    ) throws(LivemigError) -> OwnedDescriptorBox? {
        guard let path = definition.randomSource else { return nil }
        try Self.requireRandomSource(path)
        guard let found = try FoundFile(path, orAs: nil, as: .qemu) else {
            throw LivemigError(.qemu, "there is no random source", at: path)
        }
        let device = found.status.st_rdev
        let known = Self.randomSources.values.contains {
            $0.major << 8 | $0.minor == device
        }
        guard found.status.st_mode & S_IFMT == S_IFCHR, known else {
            throw LivemigError(.forbidden, "the random source is another device", at: path)
        }
        return OwnedDescriptorBox(try found.open(O_RDONLY, as: .qemu))
    }
}
