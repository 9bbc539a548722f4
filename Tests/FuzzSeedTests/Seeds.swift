import FuzzTargets
import Glibc
import LinuxSystem
import MigrationModel
import TestSupport

/// An input that is kept.
struct Seed: Sendable {
    let name: String
    let bytes: [UInt8]

    init(_ name: String, _ bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }
}

/// The inputs of a target, in `Tests/Fuzz/Seeds/TARGET`.
enum Seeds {
    /// The longest input that is kept: a batch may be longer, but none has to be.
    private static let sizeLimit = 1 << 20

    private static func folder(_ target: FuzzTarget) -> String {
        "\(Repository.root)/Tests/Fuzz/Seeds/\(target.rawValue)"
    }

    static func all(of target: FuzzTarget) throws(LivemigError) -> [Seed] {
        try TreeListing.files(below: folder(target)).map { name throws(LivemigError) in
            let file = try OwnedDescriptor.open("\(folder(target))/\(name)", O_RDONLY)
            return Seed(name, try DescriptorIO.readFully(upTo: sizeLimit, from: file.number))
        }
    }

    static func write(_ seed: Seed, of target: FuzzTarget) throws(LivemigError) {
        _ = unsafe mkdir(folder(target), 0o755)
        let file = try OwnedDescriptor.open(
            "\(folder(target))/\(seed.name)", O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
        try DescriptorIO.write(seed.bytes, to: file.number)
    }
}
