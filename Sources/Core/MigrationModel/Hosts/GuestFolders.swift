/// A file that a definition names, by what the guest does with it.
public enum GuestFileKind: String, Hashable, Sendable, CaseIterable {
    /// A disk, or an image below one.
    case image
    /// A kernel, its initial RAM disk, or firmware.
    case boot
    /// The hypervisor's program.
    case emulator

    /// What the places for such files are called, such as `image folders`.
    public var places: String {
        switch self {
        case .image: "image folders"
        case .boot: "boot folders"
        case .emulator: "emulators"
        }
    }

    /// The option of `livemig host settings` that adds a place.
    public var option: String {
        switch self {
        case .image: "--image-folder"
        case .boot: "--boot-folder"
        case .emulator: "--emulator"
        }
    }
}

/// Where a host lets its guests have files, whoever wrote their definitions.
///
/// A place is a folder with all that is below it, or one file. Real paths are compared: a symbolic
/// link in a place that leads out of it is outside.
public struct GuestFolders: Hashable, Sendable {
    /// Places for disk images, beside the default ones.
    public var images: [String] = []
    /// Places for kernels, initial RAM disks and firmware, beside the default ones.
    public var boot: [String] = []
    /// Programs, or folders of programs, beside the default ones.
    public var emulators: [String] = []
    /// Whether the default places count as well.
    public var includesDefaults = true

    /// The default places only.
    public init() {}

    /// The most places of a kind.
    public static let limit = 64
    /// The longest place in bytes (`PATH_MAX`, limits.h, less its NUL).
    public static let longestPlace = 4095

    /// Folders that are made for images, or that no package puts anything into (FHS 3.0).
    static let defaultImages = [
        "/var/lib/libvirt/images", "/var/lib/livemig/images", "/data", "/images", "/mnt",
        "/shared", "/srv", "/vms",
    ]
    /// Where distributions put kernels and firmware, and libvirt what it fetches.
    static let defaultBoot = [
        "/boot", "/usr/lib/ipxe", "/usr/share", "/var/lib/libvirt/boot",
        "/var/lib/libvirt/qemu/nvram",
    ]
    /// Where distributions put QEMU; the asterisk stands for the rest of a name.
    static let defaultEmulators = ["/usr/bin/qemu-system-*", "/usr/libexec/qemu-kvm"]

    /// The places that an operator has listed for a kind.
    public subscript(kind: GuestFileKind) -> [String] {
        get {
            switch kind {
            case .image: images
            case .boot: boot
            case .emulator: emulators
            }
        }
        set {
            switch kind {
            case .image: images = newValue
            case .boot: boot = newValue
            case .emulator: emulators = newValue
            }
        }
    }

    /// All places of a kind; a guest may boot from whatever may be its disk.
    public func places(for kind: GuestFileKind) -> [String] {
        let defaults =
            switch kind {
            case .image: Self.defaultImages
            case .boot: Self.defaultBoot
            case .emulator: Self.defaultEmulators
            }
        let own = (includesDefaults ? defaults : []) + self[kind]
        return kind == .boot ? own + places(for: .image) : own
    }

    /// Whether a path is one of the places or below one.
    ///
    /// - Parameters:
    ///   - path: a real path: absolute, without links, `.` and `..`.
    ///   - places: real paths; one that ends in an asterisk stands for all files of its folder whose
    ///     names begin so.
    public static func contains(_ path: String, in places: [String]) -> Bool {
        places.contains { place in
            if place.hasSuffix("*") {
                let start = place.dropLast()
                return path.hasPrefix(start) && !path.dropFirst(start.count).contains("/")
            }
            return path == place || path.hasPrefix(place + "/")
        }
    }

    /// Checks every place.
    /// - Throws: `E-USAGE` for one that is no path of its own, `E-RANGE` for too many.
    public func check() throws(LivemigError) {
        for kind in GuestFileKind.allCases {
            let places = self[kind]
            guard places.count <= Self.limit else {
                throw LivemigError(
                    .range, "\(places.count) \(kind.places) are more than \(Self.limit)")
            }
            for place in places { try Self.check(place, kind) }
            guard Set(places).count == places.count else {
                throw LivemigError(.usage, "one of the \(kind.places) is there twice")
            }
        }
    }

    /// An absolute path below the root folder, written in one way only.
    /// - Throws: `E-USAGE`.
    public static func check(_ place: String, _ kind: GuestFileKind) throws(LivemigError) {
        let parts = place.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        let isPlain = place.unicodeScalars.allSatisfy { scalar in
            switch scalar.value {
            case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029, 0xFFFE...0xFFFF: false
            default: true
            }
        }
        let isPath = parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
        guard place.hasPrefix("/"), isPlain, isPath, !place.hasSuffix("*"),
            place.utf8.count <= longestPlace
        else {
            throw LivemigError(
                .usage, "\(place.escaped()) cannot be among the \(kind.places)",
                fix: "name an absolute path below / without .., a slash or an asterisk at its end")
        }
    }
}
