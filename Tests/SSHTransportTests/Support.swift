import Glibc
import LinuxSystem
import MigrationModel
import SSHTransport
import TestSupport

extension SSHServerFixture {
    /// The endpoint of this server with everything right.
    func endpoint() -> SSHEndpoint {
        SSHEndpoint(
            name: "alpha", address: "127.0.0.1", port: port, user: user, identity: clientKey,
            hostKeys: [hostKey])
    }
}

/// A stream of bytes that is the same wherever it is generated: random ones, repeated with a period
/// that no buffer size divides.
struct Pattern {
    private let block: [UInt8]
    private var position: Int

    init(seed: UInt64) {
        block = Self.block
        position = Int(seed % 1000) * 997
    }

    private static let block: [UInt8] = {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        return (0..<1_048_583).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }()

    mutating func next(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            let start = position % block.count
            let part = block[start..<min(block.count, start + count - bytes.count)]
            bytes.append(contentsOf: part)
            position += part.count
        }
        return bytes
    }
}

/// Writes a pattern on a thread of its own, then ends writing.
func send(
    _ total: Int, seed: UInt64, to descriptor: borrowing OwnedDescriptor
) throws -> WorkerThread<Void> {
    let number = try descriptor.duplicate().release()
    return WorkerThread("test-writer") {
        let end = OwnedDescriptor(owning: number)
        var pattern = Pattern(seed: seed)
        var left = total
        while left > 0 {
            let piece = pattern.next(min(left, 256 << 10))
            try DescriptorIO.write(piece, to: end.number, stall: .seconds(30))
            left -= piece.count
        }
        _ = shutdown(end.number, CInt(SHUT_WR))
    }
}

/// Reads to the end; the count, and the position of the first byte that differs from the pattern.
func receive(
    seed: UInt64, from descriptor: borrowing OwnedDescriptor
) throws -> (count: Int, differsAt: Int?) {
    var pattern = Pattern(seed: seed)
    var bytes = [UInt8](repeating: 0, count: 256 << 10)
    let number = descriptor.number
    var count = 0
    var differsAt: Int?
    while true {
        let got = try unsafe bytes.withUnsafeMutableBytes {
            try unsafe DescriptorIO.readFully(into: $0, from: number, stall: .seconds(30))
        }
        if got == 0 { return (count, differsAt) }
        let expected = pattern.next(got)
        if differsAt == nil, unsafe memcmp(bytes, expected, got) != 0 {
            differsAt = count + (zip(bytes, expected).enumerated().first { $1.0 != $1.1 }?.0 ?? 0)
        }
        count += got
    }
}

/// The descriptors of this process that are open now.
func openDescriptors() -> Int { entries(of: "/proc/self/fd").count }

/// The threads of this process whose name starts so.
func threads(named prefix: String) -> Int {
    entries(of: "/proc/self/task").filter { task in
        guard let file = try? OwnedDescriptor.open("/proc/self/task/\(task)/comm", O_RDONLY)
        else { return false }
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = unsafe read(file.number, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).hasPrefix(prefix)
    }.count
}

private func entries(of path: String) -> [String] {
    guard let folder = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
        let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) {
            unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names
}

/// Waits until a condition holds; false when it does not within the time.
func eventually(within limit: Duration = .seconds(10), _ condition: () -> Bool) -> Bool {
    let deadline = MonotonicTime.now + limit
    while !condition() {
        if MonotonicTime.now > deadline { return false }
        usleep(20_000)
    }
    return true
}
