import MigrationModel
import Testing

@testable import Preflight

@Suite("Images on both hosts")
struct ImageRulesTests {
    private static func image(
        size: UInt64, inode: UInt64, _ reach: ImageFacts.Reach = .unknown,
        _ isReadOnly: Bool = false
    ) -> ImageFacts {
        ImageFacts(
            target: "vda", path: "/srv/a", size: size, inode: inode, reach: reach,
            isReadOnly: isReadOnly)
    }

    // Broken by: another file under the same path that passes, or the same file that does not.
    @Test(
        "Two files under one path are told apart",
        arguments: [
            (UInt64(4096), UInt64(7), nil), (8192, 7, Finding.Kind.error(.disk)),
            (8192, 8, .error(.disk)), (4096, 8, .warning(.fence)),
        ] as [(UInt64, UInt64, Finding.Kind?)])
    func compared(size: UInt64, inode: UInt64, kind: Finding.Kind?) {
        let (ours, theirs) = (
            Self.image(size: 4096, inode: 7), Self.image(size: size, inode: inode)
        )
        #expect(ImageRules.findings([ours], [theirs]).map(\.kind) == [kind].compactMap { $0 })
        #expect(ImageRules.findings([], [theirs]).isEmpty)
        let told = ImageRules.findings([ours], [theirs], unfenced: [ImageRules.place(theirs)])
        #expect(told.allSatisfy { $0.error != nil })
    }

    // Broken by: a file of one host taken for that of the other one, on local disks whose numbers happen
    // to agree or on a mount of something else; or a copy of an image that is only read, or one
    // file that a host exports to the other or that a file system in user space numbers, refused.
    @Test(
        "A host's own file is not taken for the guest's",
        arguments: [
            (.local, .local, 7, true, false, Finding.Kind.error(.disk)),
            (.local, .local, 8, true, false, .error(.disk)),
            (.local, .local, 8, false, false, .error(.disk)),
            (.local, .local, 7, false, false, nil),
            (.shared, .shared, 8, true, false, .error(.disk)),
            (.shared, .shared, 7, true, false, .warning(.fence)),
            (.shared, .local, 8, true, false, .error(.disk)),
            (.local, .shared, 7, true, false, .warning(.fence)),
            (.unknown, .unknown, 8, true, false, .warning(.fence)),
            (.unknown, .local, 8, true, false, .warning(.fence)),
            (.local, .local, 8, false, true, .warning(.fence)),
            (.local, .local, 7, false, true, nil),
        ] as [(ImageFacts.Reach, ImageFacts.Reach, UInt64, Bool, Bool, Finding.Kind?)])
    func reached(
        from: ImageFacts.Reach, to: ImageFacts.Reach, inode: UInt64, isUnfenced: Bool,
        isReadOnly: Bool, kind: Finding.Kind?
    ) {
        let (ours, theirs) = (
            Self.image(size: 4096, inode: 7, from, isReadOnly),
            Self.image(size: 4096, inode: inode, to, isReadOnly)
        )
        let lock = Finding(
            .warning(.fence), "the lock is not seen", at: ImageRules.place(theirs))
        let found = ImageRules.joined(
            [], isUnfenced ? [lock] : [], source: [ours], destination: [theirs])
        #expect(found.map(\.kind) == [kind].compactMap { $0 })
        let own = Finding(.error(.disk), "another file", at: ImageRules.place(theirs))
        #expect(ImageRules.joined([own], [lock], source: [ours], destination: [theirs]).isEmpty)
    }

    // Broken by: an image below another one that is not compared, or compared with another level.
    @Test("Images below others are compared by their own names")
    func below() {
        func chain(_ inode: UInt64) -> [ImageFacts] {
            [
                Self.image(size: 4096, inode: 7),
                ImageFacts(
                    target: "vda", path: "/srv/base", size: 4096, inode: inode, isReadOnly: true),
            ]
        }
        #expect(ImageRules.findings(chain(3), chain(3)).isEmpty)
        let found = ImageRules.findings(chain(3), chain(4))
        #expect(found.map(\.place) == ["disk vda (\"/srv/base\")"])
    }

    // Broken by: a thin image on a full file system that is not told, or one with room that is.
    @Test("An image that cannot grow is told")
    func growth() {
        let image = Self.image(size: 1 << 30, inode: 1)
        func found(_ allocated: UInt64, _ free: UInt64) -> Bool {
            ImageRules.growth(
                of: image, allocated: ByteCount(allocated), free: ByteCount(free)) != nil
        }
        #expect(found(0, 0) && found(0, 255 << 20) && found((1 << 30) - 4096, 0))
        #expect(!found(0, 1 << 30) && !found(0, 256 << 20) && !found(1 << 30, 0))
        #expect(!found(2 << 30, 0))
    }
}
