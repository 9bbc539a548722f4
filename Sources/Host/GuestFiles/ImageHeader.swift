public import MigrationModel

/// What the first bytes of a qcow2 image say that decides which other files belong to it.
///
/// Source of the format: QEMU's docs/interop/qcow2.txt. Whatever is not understood is refused: QEMU
/// would open files that nobody has judged.
public struct ImageHeader: Hashable, Sendable {
    /// The image below this one.
    public struct Backing: Hashable, Sendable {
        /// Its name as it is written there, relative to the image's folder or absolute.
        public let name: String
        /// Its format.
        public let format: VMDefinition.Disk.Format
    }

    /// The size of the disk, in bytes.
    public let size: UInt64
    /// The image below; `nil` for an image of its own.
    public let backing: Backing?

    /// How many bytes are needed at most: the header ends within the first cluster, of which this
    /// much is looked at.
    public static let limit = 64 << 10
    /// The longest name of a backing file (qcow2.txt).
    static let longestName: UInt32 = 1023

    static let magic: UInt32 = 0x5146_49FB
    static let formatExtension: UInt32 = 0xE279_2ACA
    /// The incompatible feature of an image whose data is in another file.
    static let externalData: UInt64 = 1 << 2

    /// Reads a header.
    /// - Parameters:
    ///   - bytes: the beginning of the image.
    ///   - place: what errors call the image.
    /// - Throws: `E-DISK` for what is no qcow2 image, and what names files in a way that is not
    ///   followed here.
    public init(_ bytes: [UInt8], at place: String) throws(LivemigError) {
        let header = HeaderBytes(bytes: bytes, place: place)
        let hasFeatures = try header.version() == 3
        size = try header.number(24, 8)
        let features = hasFeatures ? try header.number(72, 8) : 0
        guard features & Self.externalData == 0 else {
            throw header.failure(
                "the image keeps its data in another file, which is not supported",
                fix: "make one file of it with qemu-img convert")
        }
        guard let (name, start) = try header.backingName() else {
            backing = nil
            return
        }
        try Self.check(name, at: place)
        let extensions = hasFeatures ? Int(try header.number(100, 4)) : 72
        guard let format = try header.backingFormat(from: extensions, to: start) else {
            throw header.failure(
                "the image does not say which format its backing file has",
                fix: "qemu-img rebase -u -b FILE -F FORMAT says it")
        }
        guard let known = VMDefinition.Disk.Format(rawValue: format) else {
            throw header.failure("a backing file of format \(format.escaped()) is not supported")
        }
        backing = Backing(name: name, format: known)
    }

    /// A plain name of a file: neither `json:` nor another protocol of QEMU's (qemu(1), "Device URL
    /// Syntax"), which has a colon before the first slash.
    private static func check(_ name: String, at place: String) throws(LivemigError) {
        let first = name.split(separator: "/", omittingEmptySubsequences: false).first ?? ""
        let isPlain = name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
        guard !first.contains(":"), isPlain, !name.contains("\u{FFFD}") else {
            throw LivemigError(
                .forbidden, "the backing file \(name.escaped()) is not a plain file", at: place,
                fix: "use an image with a backing file on a file system")
        }
    }
}

/// The bytes of a header, which are whoever's made the image: nothing in them is taken for granted.
private struct HeaderBytes {
    let bytes: [UInt8]
    let place: String

    func failure(_ what: String, fix: String = "") -> LivemigError {
        LivemigError(.disk, what, at: place, fix: fix)
    }

    func number(_ offset: Int, _ length: Int) throws(LivemigError) -> UInt64 {
        guard offset >= 0, offset <= bytes.count - length else {
            throw failure("the image's header is cut off")
        }
        return bytes[offset..<offset + length].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The version of a qcow2 image.
    func version() throws(LivemigError) -> UInt64 {
        let magic = bytes.count >= 72 ? try number(0, 4) : 0
        guard magic == ImageHeader.magic else {
            throw failure("the image is not qcow2", fix: "name its real format in the definition")
        }
        let version = try number(4, 4)
        guard version == 2 || version == 3 else {
            throw failure("qcow2 images of version \(version) are not known")
        }
        return version
    }

    /// The name of the backing file, and where it stands; `nil` for an image of its own.
    func backingName() throws(LivemigError) -> (name: String, start: Int)? {
        let (start, length) = (try number(8, 8), try number(16, 4))
        guard start != 0, length != 0 else { return nil }
        guard length <= ImageHeader.longestName, start <= UInt64(ImageHeader.limit) else {
            throw failure("the name of the image's backing file is not where it should be")
        }
        let (from, count) = (Int(start), Int(length))
        guard from <= bytes.count - count else { throw failure("the image's header is cut off") }
        return (String(decoding: bytes[from..<from + count], as: UTF8.self), from)
    }

    /// What the header's extensions say of the backing file's format; `nil` when they do not.
    func backingFormat(from first: Int, to end: Int) throws(LivemigError) -> String? {
        var offset = first
        var format: String?
        while offset <= end - 8 {
            let kind = try number(offset, 4)
            let size = Int(try number(offset + 4, 4))
            if kind == 0 { break }
            guard size <= end - offset - 8 else {
                throw failure("an extension of the image's header is too long")
            }
            if kind == ImageHeader.formatExtension {
                format = String(decoding: bytes[offset + 8..<offset + 8 + size], as: UTF8.self)
            }
            offset += 8 + (size + 7) / 8 * 8
        }
        return format
    }
}
