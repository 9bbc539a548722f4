public import MigrationModel

/// Whether two hosts see one image under one path.
public enum ImageRules {
    /// Compares what both hosts see.
    ///
    /// The size of a disk does not change while its guest runs, so that another one is another file:
    /// an error. The number of a file is the same on every host for NFS and cluster file systems, but
    /// some file systems in user space make numbers up: a warning.
    /// - Parameters:
    ///   - source: the images as the source sees them.
    ///   - destination: as the destination does.
    ///   - unfenced: disks that the destination has warned of already.
    public static func findings(
        _ source: [ImageFacts], _ destination: [ImageFacts], unfenced: Set<String> = []
    ) -> [Finding] {
        destination.compactMap { theirs in
            guard let ours = source.first(where: { $0.target == theirs.target }) else { return nil }
            let place = self.place(theirs)
            guard ours.size == theirs.size else {
                return Finding(
                    .error(.disk), "the hosts see different files as one image", at: place,
                    source: "\(ours.size) bytes", destination: "\(theirs.size) bytes",
                    fix: "see that both hosts mount one file system under this path")
            }
            guard ours.inode != theirs.inode, !unfenced.contains(place) else { return nil }
            return Finding(
                .warning(.fence), "the hosts may see different files as one image", at: place,
                source: "file number \(ours.inode)", destination: "file number \(theirs.inode)",
                fix: "see that both hosts mount one file system under this path")
        }
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
