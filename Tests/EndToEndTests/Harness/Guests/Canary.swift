import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Bytes that a guest holds in its memory and nobody else may write down.
struct Canary {
    /// How many bytes are looked for; too many to be met by chance.
    static let length = 32
    /// The most of a file that is searched; files of proc(5) say that they are empty.
    private static let fileLimit = 64 << 20
    private static let procLimit = 256 << 10
    /// How many pages lie between two canaries: more than the working set of a guest whose canaries
    /// are taken, so that what it rewrites is one of them at most.
    private static let distance = 331

    let bytes: [UInt8]

    /// Wraps bytes.
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Canaries out of the memory of a running guest: bytes that look random, of pages far apart.
    /// - Throws: `E-FILE` when the process has no guest RAM.
    static func taken(from process: Int32, count: Int) throws -> [Canary] {
        let ram = try guestMemory(of: process)
        let end = Int(lseek(ram.number, 0, SEEK_END)) / 4096
        var found: [Canary] = []
        var page = end / 2
        while found.count < count, page > 0 {
            var bytes = [UInt8](repeating: 0, count: length)
            let number = ram.number
            let read = unsafe pread(number, &bytes, length, off_t(page * 4096 + 640))
            // Random bytes hardly repeat; texts, tables and code do.
            if read == length, Set(bytes).count >= 27 { found.append(Canary(bytes)) }
            page -= found.isEmpty ? 1 : distance
        }
        return found
    }

    /// Guest RAM of a hypervisor's process.
    static func guestMemory(of process: Int32) throws -> OwnedDescriptor {
        let folder = "/proc/\(process)/fd"
        for name in TreeListing.names(in: folder) {
            var link = [CChar](repeating: 0, count: 256)
            let count = unsafe readlink("\(folder)/\(name)", &link, link.count)
            let target = String(
                decoding: link.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard target.contains("livemig-guest-ram") else { continue }
            let number = unsafe open("\(folder)/\(name)", O_RDONLY | O_CLOEXEC)
            if number >= 0 { return OwnedDescriptor(owning: number) }
        }
        throw LivemigError(.file, "process \(process) holds no guest RAM")
    }

    /// Whether some bytes hold this canary.
    func isIn(_ text: [UInt8]) -> Bool {
        unsafe text.withUnsafeBytes { text in
            guard let start = text.baseAddress, let first = bytes.first else { return false }
            var offset = 0
            while offset + bytes.count <= text.count {
                let rest = text.count - offset
                guard let hit = unsafe memchr(start + offset, CInt(first), rest) else {
                    return false
                }
                offset = unsafe UnsafeRawPointer(hit) - start
                guard offset + bytes.count <= text.count else { return false }
                if unsafe memcmp(hit, bytes, bytes.count) == 0 { return true }
                offset += 1
            }
            return false
        }
    }

    /// The files below folders that hold one of some canaries.
    static func files(with canaries: [Canary], below folders: [String]) -> [String] {
        folders.flatMap { folder in
            TreeListing.files(below: folder).map { "\(folder)/\($0)" }
        }.filter { path in holds(path, canaries) }
    }

    /// The processes whose arguments or environment hold one of some canaries.
    static func processes(with canaries: [Canary]) -> [String] {
        TreeListing.names(in: "/proc").filter { Int32($0) != nil }.flatMap { id in
            ["/proc/\(id)/cmdline", "/proc/\(id)/environ", "/proc/\(id)/comm"]
        }.filter { path in holds(path, canaries) }
    }

    private static func holds(_ path: String, _ canaries: [Canary]) -> Bool {
        var status = stat()
        guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            let file = try? OwnedDescriptor.open(path, O_RDONLY | O_NONBLOCK),
            let bytes = try? DescriptorIO.readFully(
                upTo: status.st_size == 0 ? procLimit : min(Int(status.st_size), fileLimit),
                from: file.number)
        else { return false }
        return canaries.contains { $0.isIn(bytes) }
    }
}
