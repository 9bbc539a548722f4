public import MigrationModel

/// Whether two hosts see one image under one path.
public enum ImageRules {
    /// Compares what both hosts see.
    ///
    /// The size of a disk does not change while its guest runs, so that another one is another file:
    /// an error. So is another file number, where file systems have real ones; the number of a file is
    /// the same on every host for NFS and cluster file systems, but some file systems in user space
    /// make numbers up: a warning. A file that is local to both hosts cannot be one file, whatever its
    /// number: the lock of a running guest would be seen. A disk that is only read may be a copy: a
    /// warning.
    /// - Parameters:
    ///   - source: the images as the source sees them.
    ///   - destination: as the destination does.
    ///   - unfenced: disks that the running guest has locked, of which the destination sees no lock.
    public static func findings(
        _ source: [ImageFacts], _ destination: [ImageFacts], unfenced: Set<String> = []
    ) -> [Finding] {
        destination.compactMap { theirs in
            guard let ours = source.first(where: { $0.isNamed(like: theirs) }) else { return nil }
            let place = self.place(theirs)
            guard ours.size == theirs.size else {
                return different(
                    place, "\(ours.size) bytes", "\(theirs.size) bytes")
            }
            let isUnfenced = unfenced.contains(place)
            let numbers = ("file number \(ours.inode)", "file number \(theirs.inode)")
            if !theirs.isReadOnly {
                if isUnfenced, ours.reach == .local, theirs.reach == .local {
                    return different(
                        place, "a local file, locked", "a local file, not locked")
                }
                if ours.inode != theirs.inode, ours.reach != .unknown, theirs.reach != .unknown {
                    return different(place, numbers.0, numbers.1)
                }
            }
            guard ours.inode != theirs.inode, !isUnfenced else { return nil }
            return Finding(
                .warning(.fence), "the hosts may see different files as one image", at: place,
                source: numbers.0, destination: numbers.1,
                fix: "see that both hosts mount one file system under this path")
        }
    }

    /// What the destination and a comparison say about images, without what an error about the same
    /// image says already.
    ///
    /// - Parameters:
    ///   - outgoing: what the source has found.
    ///   - incoming: what the destination has found.
    ///   - source: the images as the source sees them.
    ///   - destination: as the destination does.
    public static func joined(
        _ outgoing: [Finding], _ incoming: [Finding], source: [ImageFacts],
        destination: [ImageFacts]
    ) -> [Finding] {
        func refused(_ findings: [Finding]) -> Set<String> {
            Set(findings.filter { $0.kind == .error(.disk) }.map(\.place))
        }
        let told = refused(outgoing)
        let unfenced = Set(incoming.filter { $0.kind == .warning(.fence) }.map(\.place))
        let compared = findings(source, destination, unfenced: unfenced)
            .filter { !told.contains($0.place) }
        let known = told.union(refused(compared))
        return incoming.filter { $0.kind != .warning(.fence) || !known.contains($0.place) }
            + compared
    }

    private static func different(
        _ place: String, _ source: String, _ destination: String
    ) -> Finding {
        Finding(
            .error(.disk), "the hosts see different files as one image", at: place,
            source: source, destination: destination,
            fix: "see that both hosts mount one file system under this path")
    }

    /// What findings about an image call it.
    public static func place(_ image: ImageFacts) -> String {
        "disk \(image.target) (\(image.path.escaped()))"
    }

    /// Below this much, a file system is as good as full for images that grow.
    public static let littleSpace = ByteCount.mebibytes(256)

    /// Whether an image may grow by more than there is room for.
    /// - Parameters:
    ///   - image: the image.
    ///   - allocated: how much of it is kept now.
    ///   - free: what is free on its file system.
    public static func growth(
        of image: ImageFacts, allocated: ByteCount, free: ByteCount
    ) -> Finding? {
        let growth = image.size > allocated.bytes ? image.size - allocated.bytes : 0
        guard free < littleSpace, growth > free.bytes else { return nil }
        return Finding(
            .warning(.space),
            "the image can grow by \(ByteCount(growth)), and its file system has \(free) left",
            at: place(image), fix: "free space there, or the guest will stop at a write")
    }
}
